"""Judge a challenger on held-out rows: metrics, slices, the gate's verdict, importance, plots, one page."""
