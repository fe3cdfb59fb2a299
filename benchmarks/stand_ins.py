"""Numbers that mark the places of an id, a stamp and so on in a message.

They occur nowhere else in it.
"""

ID = 1234567891
INCARNATION = 1234567892
EPOCH = 1234567893
COUNT = 1234567894
STAMP = 1234567890123456

ALL = (ID, INCARNATION, EPOCH, COUNT, STAMP)
