def cases(a, cluster, base, number):
    return iter(())
