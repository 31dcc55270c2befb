"""What pyemu is measured against, run beside it in the same process.

`python_model` and `simpy_model` interpret the same compiled tables with the same
counters; `simpy_model.run_lean` is what a quick SimPy script would do; `floor` is a C
loop of the loads, stores and counter increments that nothing can avoid.
"""
