// Nothing of its own: the target's precompiled header is what others read.
