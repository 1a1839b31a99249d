"""Models: trained, judged on rows that they have not seen, and stored with all that is needed to load them."""

import os

# Threads of LightGBM that wait sleep: on a busy machine spinning ones take half of the CPU from what runs beside them. Its OpenMP looks
# when it is loaded, and who declares a problem loads this before.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
