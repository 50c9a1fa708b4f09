"""Offers: drafts, versions, stock, pools of codes, budgets, projects."""
