"""Metrics to CloudWatch without an agent: lines in embedded metric format on stdout, which CloudWatch Logs reads as metrics.

lines    which metrics, by which dimensions; what Prometheus would be told in, lines out; pure
teller   when they are written: each period, and once at the end
"""
