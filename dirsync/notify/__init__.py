"""Telling people: what is said of a run (`message`), in every form (`letter`), and how it goes out.

What is said is pure: what happened (`happening`) becomes a message, and a message a letter: subject,
text, HTML, JSON, attachment. Each sender takes a letter; `sending` chooses it and tries again.
When a message is due is decided elsewhere (`runner.outbox`), and the words for changes are handed in.
"""
