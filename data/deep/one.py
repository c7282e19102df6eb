changed = True
