"""How often each verdict on a signal is wrong, and how often it finds what is there.

    python -m benchmarks.signal_error_rates [--json OUT] [--scale S]

Everything but the flights is drawn, with seeds that are fixed, so what is true is known. Rates of false alarms are
beside what is promised. ``--scale 0.1`` draws a tenth of it.
"""
