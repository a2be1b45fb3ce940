"""Figures -> what templates loop over. No HTML is made here, and no template computes."""
