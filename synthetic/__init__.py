"""Synthetic LM Studio server logs together with the truth about them. For tests, the sample and the benchmarks; not shipped.

``clock``    a small discrete-event simulation
``jsonlike`` JSON as LM Studio prints it, and its way of shortening strings
``writer``   records in the FILE form, rotation
``engine``   llama.cpp and MLX: slots, prefix cache, speeds, and their log lines
``answers``  what answers look like on the wire
``server``   LM Studio: requests in, log lines and answers out, truth beside them
``clients``  what OpenCode, Claude Code, Codex and a home-made script put into a body
``story``    the conversations of ``logs_sample/``
"""
