"""Models, offers, prices and measured job durations."""
