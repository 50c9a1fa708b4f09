"""Files of partners: foreign rows become events, events go through the one intake."""
