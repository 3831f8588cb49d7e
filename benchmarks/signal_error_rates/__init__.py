"""How often each verdict on a signal is wrong, and how often it finds what is there.

    python -m benchmarks.signal_error_rates [--json OUT] [--scale S]

Everything is drawn, with seeds that are fixed, so what is true is known. Rates of false alarms are beside what is
promised. It takes about two minutes on one core; ``--scale 0.1`` draws a tenth of it.
"""
