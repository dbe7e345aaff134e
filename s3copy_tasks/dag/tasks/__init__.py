"""The tasks of a job's Dag, a module each.

Each reads its context, calls the same code as the command line, and converts errors to Airflow's. It runs in
a process of its own, which imports only the module of its task: docs/design/tasks.md.
"""
