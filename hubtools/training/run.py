"""One training from loading the weights to the written and verified LoRA."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from hubtools.errors import HubtoolsError
from hubtools.files import human_bytes, sha256_of
from hubtools.layout import LORA_WEIGHTS, SNAPSHOTS_DIR, step_name
from hubtools.manifest import LoraFacts, RunManifest
from hubtools.progress import Reporter, duration
from hubtools.project import Project
from hubtools.rooted import Root
from hubtools.training import runfolder
from hubtools.training.checkpoints import State, StateFacts, load_newest, restore, save_state
from hubtools.training.metrics import first_and_last
from hubtools.training.plan import Plan
from hubtools.training.recipe import STATE_SECONDS
from hubtools.training.runfolder import now

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from hubtools.models.base import Base
    from hubtools.models.families.protocol import Family, Model
    from hubtools.training.device import World
    from hubtools.training.loop import Trainee
    from hubtools.training.prepare import Encoded


class Run:
    """One training, from loading the weights to the written LoRA."""

    def __init__(
        self,
        project: Project,
        base: Base,
        family: Family,
        plan: Plan,
        world: World,
        reporter: Reporter,
        manifest: RunManifest,
        identity: dict[str, Any],
        trust_state: bool = False,
    ) -> None:
        self.project, self.base, self.family, self.plan = project, base, family, plan
        self.recipe, self.settings = plan.recipe, plan.recipe.settings
        self.world, self.reporter, self.manifest = world, reporter, manifest
        self.run_dir = project.run_dir
        self.fingerprint = runfolder.fingerprint(identity)
        self.trust_state = trust_state
        self.threads = 1
        self.saved_step = -1
        self.saved_at = time.monotonic()

    def go(self, resume: bool) -> RunManifest:
        """Load, encode, train, write, verify."""
        state = None
        if resume:
            state = load_newest(
                self.run_dir,
                self.fingerprint,
                self.reporter.warn,
                steps=self.recipe.steps,
                trust_state=self.trust_state,
            )
        self._cap_threads(state)
        if state is not None:
            self.manifest.started = self._started_before() or self.manifest.started
            self.manifest.steps_done = self.saved_step = state.facts.step
        self._write_manifest()
        if self.world.main:
            runfolder.write_settings(self.run_dir, self.project, self.manifest, self.plan.prompts)
        self.world.barrier()
        try:
            trainee, encoded = self._load(state)
            with _stop_on_signals(self.reporter) as stop:
                self._steps(trainee, state, stop)
            return self._finish(trainee, encoded)
        except KeyboardInterrupt:
            self._write_manifest(status="interrupted")
            raise
        except Exception:
            self._write_manifest(status="failed")
            raise

    # --- before the loop -----------------------------------------------------------------------

    def _cap_threads(self, state: State | None) -> None:
        from hubtools.training.device import cap_threads

        self.threads, why = cap_threads(self.settings, state.facts.threads if state else None)
        if self.world.device.type == "cpu":
            self.reporter.note(f"CPU threads: {self.threads} ({why}).")

    def _started_before(self) -> str | None:
        try:
            return RunManifest.read(self.run_dir).started
        except HubtoolsError:
            return None

    def _load(self, state: State | None) -> tuple[Trainee, Encoded]:
        import torch

        from hubtools.training.adapter import add_lora
        from hubtools.training.device import arrange, dtype_of, encode_exactly, set_up
        from hubtools.training.loop import Trainee, make_optimizer
        from hubtools.training.prepare import Encoded
        from hubtools.training.samples import move_encoders

        device = self.world.device
        model = self.family.load(
            self.base,
            self.plan.base,
            variant=self.settings.variant,
            dtype=dtype_of(self.recipe.precision),
            snr_gamma=self.settings.snr_gamma,
        )
        move_encoders(model, device)
        encode_exactly(device)
        encoded = Encoded(model, self.plan)
        encoded.fill(self.world, self.reporter)
        move_encoders(model, torch.device("cpu"))

        parameters = add_lora(model.denoiser, self.settings, self.recipe.alpha)
        model.denoiser.to(device)
        arrange(model.denoiser, device, self.recipe.precision)
        set_up(self.settings, model.denoiser, device)
        optimizer = make_optimizer(self.recipe, list(parameters.values()))
        scaler = torch.amp.GradScaler(device.type, enabled=self.recipe.precision == "fp16")
        if state is not None:
            restore(state, parameters, optimizer)
            if state.facts.scaler and scaler.is_enabled():
                scaler.load_state_dict(state.facts.scaler)
            self.reporter.note(f"Continuing after step {state.facts.step:,}.")
        prior = encoded.prior if self.settings.with_prior_preservation else None
        return Trainee(model, parameters, optimizer, scaler, encoded, prior), encoded

    # --- the loop ------------------------------------------------------------------------------

    def _steps(self, trainee: Trainee, state: State | None, stop: _Stop) -> None:
        from hubtools.training.device import forget_memory
        from hubtools.training.logbook import MEASURED, Logbook
        from hubtools.training.loop import train_steps

        start = state.facts.step if state else 0
        book = Logbook(
            self.run_dir if self.world.main else None,
            self.recipe,
            self.plan.examples,
            start,
            state.facts.loss_ema if state else None,
        )
        self.book = book
        total = self.recipe.steps
        forget_memory(self.world.device)
        with self.reporter.progress("training", total, start) as advance:
            if start == 0:
                with book.pause():
                    self._sample(trainee, 0, stop)
            for step in train_steps(trainee, self.recipe, self.world, start):
                looked = book.add(step)
                advance(1, f"loss {book.loss_ema:.4f}" if book.loss_ema is not None else "")
                if step.done - start == MEASURED and book.seconds_a_step and step.done < total:
                    left = total - step.done
                    self.reporter.note(
                        f"Measured {book.seconds_a_step:.3g} s a step: about"
                        f" {duration(book.seconds_a_step * left)} for the {left:,} left, samples"
                        " not counted."
                    )
                stopping = self._all_stop(stop, looked)
                with book.pause():
                    self._between_steps(trainee, step.done, stop, save=stopping)
                alone = self.world.processes == 1
                if stopping or (alone and stop and self.saved_step == step.done):
                    raise KeyboardInterrupt

    def _all_stop(self, stop: _Stop, looked: bool) -> bool:
        """Whether to stop now; several processes agree whenever they look at their figures."""
        if self.world.processes == 1:
            return bool(stop)
        if not looked:
            return False
        import torch

        flag = torch.tensor([float(bool(stop))], device=self.world.device)
        return bool(self.world.sum(flag).item())

    def _between_steps(self, trainee: Trainee, done: int, stop: _Stop, *, save: bool) -> None:
        """What is due after step `done`: a state, a snapshot, samples."""
        from hubtools.training.adapter import slug_of, write_lora

        recipe = self.recipe
        last = done == recipe.steps
        due = done % recipe.checkpoint_every == 0
        if self.settings.checkpointing_steps is None:
            due = due or time.monotonic() - self.saved_at > STATE_SECONDS
        if save or due or last:
            self._save(trainee, done)
        if self.world.main and done % recipe.snapshot_every == 0:
            slug = f"{slug_of(self.run_dir)}-{step_name(done).replace('-', '')}.safetensors"
            with Root(self.run_dir) as root:
                name = f"{SNAPSHOTS_DIR}/{slug}"
                write_lora(root, name, trainee.model, self.settings, recipe.alpha, done)
        if recipe.sample_every and (last or done % recipe.sample_every == 0) and not save:
            self._sample(trainee, done, stop)
            if stop and self.world.processes == 1:
                self._save(trainee, done)

    def _save(self, trainee: Trainee, done: int) -> None:
        """State of step `done`, unless it is there already; a loss of NaN is never saved."""
        self.book.flush()
        if self.saved_step == done:
            return
        self.saved_step, self.saved_at = done, time.monotonic()
        if not self.world.main:
            return
        facts = StateFacts(
            step=done,
            fingerprint=self.fingerprint,
            threads=self.threads,
            loss_ema=self.book.loss_ema,
            seconds=round(self.book.seconds, 3),
            scaler=trainee.scaler.state_dict(),
            files={},
            versions=self.manifest.versions,
        )
        limit = self.settings.checkpoints_total_limit
        save_state(self.run_dir, facts, trainee.parameters, trainee.optimizer, limit)
        self.manifest.steps_done = done
        self._write_manifest()
        if done < self.recipe.steps:
            self.book.draw(self._title())

    def _sample(self, trainee: Trainee, done: int, stop: _Stop) -> None:
        from hubtools.training.samples import draw_samples

        if self.world.main and self.recipe.sample_every:
            draw_samples(
                trainee.model,
                self.base,
                self.project.samples,
                self.plan.prompts,
                self.run_dir,
                size=self.plan.sample_size,
                step=done,
                device=self.world.device,
                warn=self.reporter.warn,
                stopping=lambda: bool(stop),
                trigger=self.project.dataset.trigger,
            )
        self.world.barrier()

    # --- after the loop ------------------------------------------------------------------------

    def _finish(self, trainee: Trainee, encoded: Encoded) -> RunManifest:
        """Write the LoRA, prove that a fresh pipeline reads it as trained, tell the facts."""
        from hubtools.training.adapter import write_lora
        from hubtools.training.device import most_memory

        if not self.world.main:
            self.world.barrier()
            return self.manifest
        self.book.draw(self._title())
        if held := most_memory(self.world.device):
            self.reporter.note(f"GPU memory held during the steps: {human_bytes(held)} at most.")
        path = self.run_dir / LORA_WEIGHTS
        with Root(self.run_dir) as root:
            alpha, steps = self.recipe.alpha, self.recipe.steps
            write_lora(root, LORA_WEIGHTS, trainee.model, self.settings, alpha, steps)
        difference = self._verify(path, trainee, encoded)
        self.reporter.note(
            f"{LORA_WEIGHTS} read back into a fresh pipeline: predictions differ by"
            f" {difference:.1g} at most."
        )
        self.manifest.lora = LoraFacts(
            file=LORA_WEIGHTS,
            sha256=sha256_of(path),
            bytes=path.stat().st_size,
            rank=self.settings.rank,
            alpha=self.recipe.alpha,
            target_modules=sorted(self.settings.target_modules),
            parameters=sum(parameter.numel() for parameter in trainee.parameters.values()),
        )
        if losses := first_and_last(self.book.history):
            self.manifest.loss_first, self.manifest.loss_last = losses
        self.manifest.seconds = round(self.book.seconds, 3)
        self.manifest.steps_done = self.recipe.steps
        self.manifest.finished = now()
        runfolder.seal_finish(self.run_dir, self.manifest)
        self._write_manifest(status="finished")
        self.world.barrier()
        return self.manifest

    def _verify(self, path: Path, trainee: Trainee, encoded: Encoded) -> float:
        from hubtools.inference.adapters import apply_lora
        from hubtools.inference.lora import resolve_lora
        from hubtools.training.adapter import compare, probe
        from hubtools.training.device import arrange, autocast, dtype_of

        device, precision = self.world.device, self.recipe.precision
        picture, caption = encoded(0, False, False)

        def answer(model: Model) -> Tensor:
            with autocast(device, precision):
                return probe(model, caption, picture)

        trained = answer(trainee.model)
        trainee.model.denoiser.to("cpu")  # room for the other one
        fresh = self.family.load(
            self.base,
            self.plan.base,
            variant=self.settings.variant,
            dtype=dtype_of(precision),
            snr_gamma=self.settings.snr_gamma,
        )
        apply_lora(fresh.pipeline, resolve_lora(str(path)), 1.0)
        fresh.denoiser.to(device)
        arrange(fresh.denoiser, device, precision)
        # half precision rounds the reloaded weights themselves
        tolerance = 1e-4 if precision == "no" else 2e-2
        return compare(trained, answer(fresh), tolerance)

    def _write_manifest(self, status: str | None = None) -> None:
        if status is not None:
            self.manifest.status = status  # type: ignore[assignment]
        if self.world.main:
            self.manifest.write(self.run_dir)

    def _title(self) -> str:
        return f"{self.manifest.name}: training loss"


class _Stop:
    """Set by a signal; true once the run should stop."""

    def __init__(self) -> None:
        self.asked = False

    def __bool__(self) -> bool:
        return self.asked


@contextmanager
def _stop_on_signals(reporter: Reporter) -> Iterator[_Stop]:
    """Ctrl-C and SIGTERM ask the run to stop after the step; a second one stops it at once."""
    stop = _Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        reporter.note("Stopping after this step; the state is being saved (again: stop at once).")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
