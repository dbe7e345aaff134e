"""The Airflow side: Dags, the functions of their tasks, the operator, the plugin and the page."""
