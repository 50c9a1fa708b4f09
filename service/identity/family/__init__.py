"""Who acts for whom: guardians for children under fourteen, and relatives who were let in.

Nobody acts for themselves, and nobody who acts for somebody lets others in: their token opens no
route of this package (``service.auth.IN_PERSON``). A child's guardian binds its phone, by which the
child gets in, and at fourteen takes over.
"""
