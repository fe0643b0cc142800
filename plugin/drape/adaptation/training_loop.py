"""mmengine's training loop with batches that shrink when memory runs out, and what happens around each step."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import BaseAveragedModel, is_model_wrapper
from mmengine.registry import LOOPS
from mmengine.runner import IterBasedTrainLoop, Runner
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from drape.adaptation import training_state
from drape.adaptation.fine_tune_config import FineTuneConfig
from drape.adaptation.rehearsal import Distillation, Pull
from drape.adaptation.training_watch import Watch
from drape.errors import AdaptationError

_NORMS = (_BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.modules.instancenorm._InstanceNorm)


class LocalRunner(Runner):
    """mmengine's Runner on the device that is asked for, which need not be the one that mmengine would take.

    Args:
        device: where the model computes.
    """

    def __init__(self, *, device: torch.device, **more: Any) -> None:
        self._device = device
        super().__init__(**more)

    def wrap_model(self, model_wrapper_cfg: Any, model: Any) -> Any:  # noqa: ARG002  mmengine's signature
        """The model on the device; with several processes, their gradients are averaged."""
        model = model.to(self._device, memory_format=torch.channels_last)
        if not self.distributed:
            return model
        from mmengine.model import MMDistributedDataParallel

        places = [self._device.index] if self._device.type == "cuda" else None
        return MMDistributedDataParallel(model, device_ids=places, broadcast_buffers=False, find_unused_parameters=True)


class Average(BaseAveragedModel):
    """Weights averaged over steps; a step weighs ``momentum``, and more at the beginning, as long as there are few.

    Args:
        model: what is averaged.
        momentum: weight of the newest step once there are many.
    """

    def __init__(self, model: nn.Module, momentum: float, **more: Any) -> None:
        super().__init__(model, **more)
        self._momentum = momentum

    def avg_func(self, averaged_param: Tensor, source_param: Tensor, steps: Any) -> None:
        averaged_param.lerp_(source_param, max(self._momentum, 1 / (1 + int(steps))))


@LOOPS.register_module(force=True)
class FrugalLoop(IterBasedTrainLoop):
    """A step is computed in as many parts as memory demands; their gradients add up to that of the whole batch.

    Losses are divided by the number of positive places of a part, not of the batch, so that a split step is a little
    different from a whole one.

    Args:
        config: settings of the training.
        pull, distillation: the rehearsal.
        note: told what the user must know.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        config: FineTuneConfig,
        pull: Pull | None = None,
        distillation: Distillation | None = None,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(runner, dataloader, max_iters=config.steps)
        self._config = config
        self._pull = pull
        self._distillation = distillation
        self._note = note
        self.parts = 1
        self.rate = 0.0

    def run_iter(self, data_batch: Any) -> None:
        """One step of the optimizer.

        Raises:
            AdaptationError: memory does not hold a single picture, or a loss is not finite.
        """
        # What chance decides inside a network must not depend on how often the training was interrupted.
        torch.manual_seed(self._config.seed * 1_000_003 + self._iter)
        self.rate = self.runner.optim_wrapper.get_lr()["lr"][-1]
        self.runner.call_hook("before_train_iter", batch_idx=self._iter, data_batch=data_batch)
        if self._config.frozen_norms:
            freeze_norms(self.runner.model)
        outputs = self._attempts(data_batch)
        self.runner.optim_wrapper.step()
        if self._pull:
            self._pull(bare(self.runner.model), self.rate)
        self.runner.call_hook("after_train_iter", batch_idx=self._iter, data_batch=data_batch, outputs=outputs)
        self._iter += 1

    def _attempts(self, batch: Any) -> dict[str, Tensor]:
        while True:
            self.runner.optim_wrapper.zero_grad()
            outputs = self._gradients(batch)
            if outputs is not None:
                return outputs
            count = len(batch["inputs"])
            if self.parts >= count or self.runner.distributed:
                raise AdaptationError(
                    "The detector cannot be trained in this memory",
                    "Choose a smaller `size`, `batch` or preset, or a device with more memory",
                )
            self.parts = min(2 * self.parts, count)
            self._note(f"memory ran out: a step is computed in {self.parts} parts")
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _gradients(self, batch: Any) -> dict[str, Tensor] | None:
        """Gradients of a batch, left in the parameters, and its losses; None if it does not fit into memory."""
        count = len(batch["inputs"])
        cuts = [round(i * count / self.parts) for i in range(self.parts + 1)]
        sums: dict[str, Tensor] = {}
        try:
            for a, b in itertools.pairwise(cuts):
                part = {name: values[a:b] for name, values in batch.items()}
                for name, value in self._part(part, (b - a) / count).items():
                    sums[name] = sums.get(name, 0.0) + value * ((b - a) / count)
        except (RuntimeError, MemoryError) as error:
            if not _memory_ran_out(error):
                raise
            return None
        return sums

    def _part(self, batch: Any, share: float) -> dict[str, Tensor]:
        model, optim = self.runner.model, self.runner.optim_wrapper
        with optim.optim_context(model):
            data = bare(model).data_preprocessor(batch, True)
            data["inputs"] = data["inputs"].contiguous(memory_format=torch.channels_last)
            losses = model(**data, mode="loss")
            if self._distillation:
                losses["loss_rehearsal"] = self._distillation(data["inputs"], data["data_samples"])
            total, told = bare(model).parse_losses(losses)
        if not math.isfinite(total.item()):
            raise AdaptationError(
                f"The loss of step {self._iter + 1} is not finite", "Choose a lower `rate`, or set `half` to off"
            )
        optim.backward(total * share)
        return {name: value.detach() for name, value in told.items()}


class Keeper(Hook):
    """Goes on from the last state of a training, and writes the state from time to time.

    Args:
        path: the state's file.
        key: what the training depends on; the state of another one is not gone on from.
        every: steps between two states.
        watch: called after each step with the step's number and its losses; its ``rows`` are part of the state.
    """

    priority = "LOWEST"

    def __init__(self, path: Path, key: str, every: int, watch: Watch) -> None:
        self._path, self._key, self._every, self._watch = path, key, every, watch

    def before_train(self, runner: Any) -> None:
        """Take up the state, if there is one. After mmengine has set up everything that has one."""
        state = training_state.load(self._path, self._key)
        if state is None:
            return
        bare(runner.model).load_state_dict(state["model"])
        average_of(runner).load_state_dict(state["average"])
        runner.optim_wrapper.load_state_dict(state["optimizer"])
        for scheduler, saved in zip(runner.param_schedulers, state["schedulers"], strict=True):
            scheduler.load_state_dict(saved)
        runner.train_loop._iter = state["step"]
        runner.train_loop.parts = state["parts"]
        self._watch.rows = state["rows"]

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,  # noqa: ARG002  passed by name
        data_batch: Any = None,  # noqa: ARG002
        outputs: Any = None,
    ) -> None:
        """Tell of the step, and write the state if it is time to."""
        done = runner.iter + 1
        self._watch(done, {"rate": runner.train_loop.rate, **{name: float(value) for name, value in outputs.items()}})
        if done % self._every == 0 and done < runner.max_iters and runner.rank == 0:
            training_state.save(self._state(runner, done), self._path)
            self._watch.written()

    def _state(self, runner: Any, done: int) -> dict[str, Any]:
        return {
            "key": self._key,
            "step": done,
            "parts": runner.train_loop.parts,
            "model": bare(runner.model).state_dict(),
            "average": average_of(runner).state_dict(),
            "optimizer": runner.optim_wrapper.state_dict(),
            "schedulers": [s.state_dict() for s in runner.param_schedulers],
            "rows": self._watch.rows,
        }


def average_of(runner: Any) -> Average:
    """The averaged weights of a runner that has mmengine's EMAHook."""
    from mmengine.hooks import EMAHook

    return next(hook.ema_model for hook in runner.hooks if isinstance(hook, EMAHook))


def bare(model: Any) -> Any:
    """The model itself, without what shares it between processes."""
    return model.module if is_model_wrapper(model) else model


def freeze_norms(model: nn.Module) -> None:
    """Normalize by the statistics that are known, not by those of the batch; scale and shift stay too."""
    for module in model.modules():
        if isinstance(module, _NORMS):
            module.eval()
            for parameter in module.parameters():
                parameter.requires_grad_(False)


def _memory_ran_out(error: Exception) -> bool:
    text = str(error)
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "DefaultCPUAllocator" in text
