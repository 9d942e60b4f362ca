"""Reports: what jobs recorded in a span of time, as text, JSON and one HTML page.

Pure: what is reported is gathered elsewhere (`runner.reporting`), and so are the words
for changes and figures (`words`). What comes first is what one has to do something about.
"""
