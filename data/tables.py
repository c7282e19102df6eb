before = True
