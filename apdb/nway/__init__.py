"""N-way matching: sources of many catalogues, grouped into objects (LDM-151 8.24.4).

`apdb.nway.run.nway` is the entry; the rule is described in `apdb.nway.group`.
"""
