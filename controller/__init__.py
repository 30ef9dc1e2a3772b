"""The daemon and its operators: sessions, records, telemetry, MQTT, API, web console and command line."""
