"""Synthetic logs of any size, and what building sites from them costs. Not shipped."""
