"""Benchmarks: every figure is a ratio of two things that ran alternately in one run.

``python -m benchmarks [GROUP …] [--quick] [--json FILE]``. How a figure comes about:

- *Ratio.* Baseline's time divided by futukit's (rates the other way round), so more is better
  and 1.0 is a tie. Both sides run in turns, in changing order, on the same input; each round
  gives one ratio. Shown are the median and the quartiles over all rounds: a neighbour that
  takes the processor for a while spoils some rounds, not the figure.
- *Clock.* What runs on one thread without IO (frame, decode, encode) is timed by that thread's
  processor time, everything else by the wall clock. Results are dropped inside the clock and
  the garbage collector stays on, so each side pays for its own garbage; before each side's
  turn there is a collection outside the clock, and the inputs are frozen out of its sight.
- *Input.* At least 1000 distinct bodies from the simulated market, over all codes that have
  the data, taken in turns; a cold case has strings that no cache has seen.
- *Gate.* A figure below its gate is marked and makes the exit status 1. An aim is what is
  known to be possible: shown, never failed on.
"""
