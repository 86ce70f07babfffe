"""From a mail to the notification in it: a document, or a text that a known template wrote."""
