"""Shows what worlds did, episode by episode, in the table that Stable-Baselines3 prints and logs."""

from __future__ import annotations

from collections.abc import Mapping

from stable_baselines3.common.callbacks import BaseCallback

from wmenv.logs.sinks import flat

SHOWN: Mapping[str, str] = {  # column of the table -> name in the record
    "latency_p50_ms": "latency_ms.p50",
    "latency_p99_ms": "latency_ms.p99",
    "miss_rate": "misses.rate",
    "unique_fps": "unique_fps",
    "omega2": "omega2",
    "effect_lag_steps": "effect_lag_steps",
    "reverts": "reverts.events",
    "cuts": "cuts.events",
    "flicker": "flicker",
    "metrics_overhead": "metrics_overhead_frac",
}


class WorldMetricsCallback(BaseCallback):
    """Averages `SHOWN` over the episodes between two prints of the table, under `world/`, without what is unknown."""

    def _on_step(self) -> bool:
        for record in [info["wmenv"] for info in self.locals["infos"] if "wmenv" in info]:
            values = flat(record)
            for column, name in SHOWN.items():
                if values.get(name) is not None:
                    self.logger.record_mean(f"world/{column}", float(values[name]))
            self.logger.record_mean("world/alarms", float(len(record["alarms"])))
        return True
