"""How outputs and conditions become part of a saved model."""

import dataclasses


class Configured:
    """A frozen dataclass whose fields are its Keras configuration."""

    def _keep(self, **checked):
        """Replaces fields by what their checks made of them."""
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def get_config(self) -> dict:
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict):
        return cls(**config)
