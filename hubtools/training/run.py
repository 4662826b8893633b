"""One training from loading the weights to the written and verified LoRA."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from hubtools.errors import HubtoolsError
from hubtools.files import human_bytes
from hubtools.findings import plural
from hubtools.layout import LORA_WEIGHTS, SNAPSHOTS_DIR
from hubtools.manifest import RunManifest
from hubtools.models.base import as_folder
from hubtools.progress import Reporter, duration
from hubtools.project import Project
from hubtools.rooted import Root
from hubtools.rooted.outputs import forget_written
from hubtools.training import runfolder
from hubtools.training.adapter import add_lora, slug_of, write_lora
from hubtools.training.agreed import check_once
from hubtools.training.averages import average_of
from hubtools.training.checkpoints import (
    SavedState,
    load_newest,
    refuse_non_finite,
    restore,
    save_state,
)
from hubtools.training.choices import noise_options
from hubtools.training.compiling import make_fast
from hubtools.training.device import (
    cap_threads,
    dtype_of,
    encode_exactly,
    forget_memory,
    most_memory,
    quantise_as_set,
    set_up,
)
from hubtools.training.encode import EncodedDataset
from hubtools.training.found_states import StateFacts
from hubtools.training.identity import fingerprint
from hubtools.training.loop import TrainState
from hubtools.training.metrics import HeldOut, Log, Metric
from hubtools.training.optimizers import make_optimizer, not_found
from hubtools.training.pace import keep_pace
from hubtools.training.plan import TrainPlan
from hubtools.training.recipe import STATE_SECONDS
from hubtools.training.result import note_lora, note_losses
from hubtools.training.room import steps_that_fit
from hubtools.training.runfolder import now
from hubtools.training.samples import SamplePrompts, draw_samples
from hubtools.training.sharding import settle
from hubtools.training.signals import Stop, StopAgreement, stop_on_signals
from hubtools.training.stages import Opened, Stages
from hubtools.training.start import Start
from hubtools.training.text_loras import open_texts
from hubtools.training.trackers.follow import Trackers
from hubtools.training.trackers.kinds import about, chosen
from hubtools.training.validation import Validation, is_due
from hubtools.training.verify import prove

if TYPE_CHECKING:
    from hubtools.models.base import Base
    from hubtools.models.families.protocol import Family
    from hubtools.training.distributed import Distributed


class Run:
    """One training, from loading the weights to the written LoRA."""

    def __init__(
        self,
        project: Project,
        base: Base,
        family: Family,
        plan: TrainPlan,
        group: Distributed,
        reporter: Reporter,
        manifest: RunManifest,
        identity: dict[str, Any],
        trust_state: bool = False,
        start: Start | None = None,
    ) -> None:
        self.project, self.base, self.family, self.plan = project, base, family, plan
        self.recipe, self.settings = plan.recipe, plan.recipe.settings
        self.group, self.reporter, self.manifest = group, reporter, manifest
        self.run_dir = project.run_dir
        self.fingerprint = fingerprint(identity)
        self.trust_state, self.start = trust_state, start
        self.threads = 1
        self.saved_step = -1
        self.saved_at = time.monotonic()
        self.trackers: Trackers | None = None

    def go(self, resume: bool) -> RunManifest:
        """Load, encode, train, write, verify."""
        saved = None
        if resume:
            saved = load_newest(
                self.run_dir,
                self.fingerprint,
                self.reporter.warn,
                steps=self.recipe.steps,
                trust_state=self.trust_state,
            )
        self._cap_threads(saved)
        if saved is not None:
            self.manifest.started = self._started_before() or self.manifest.started
            self.manifest.steps_done = self.saved_step = saved.facts.step
        self._write_manifest()
        if self.group.main:
            runfolder.write_settings(
                self.run_dir, self.project, self.manifest, self.plan.prompts, self.reporter.note
            )
        self.group.barrier()
        try:
            state, encoded = self._load(saved)
            with stop_on_signals(self.reporter) as stop:
                self._steps(state, saved, stop)
            return self._finish(state, encoded)
        except KeyboardInterrupt:
            self._write_manifest(status="interrupted")
            raise
        except Exception:
            self._write_manifest(status="failed")
            raise
        finally:
            if self.trackers is not None:
                self.trackers.end(self.manifest.status)

    # --- before the loop -----------------------------------------------------------------------

    def _cap_threads(self, saved: SavedState | None) -> None:
        self.threads, why = cap_threads(self.settings, saved.facts.threads if saved else None)
        if self.group.device.type == "cpu":
            self.reporter.note(f"CPU threads: {self.threads} ({why}).")

    def _started_before(self) -> str | None:
        try:
            return RunManifest.read(self.run_dir).started
        except HubtoolsError:
            return None

    def _load(self, saved: SavedState | None) -> tuple[TrainState, EncodedDataset]:
        import torch

        device = self.group.device
        base = as_folder(self.base)
        load = partial(
            self.family.load,
            base,
            self.plan.base,
            variant=self.settings.variant,
            dtype=dtype_of(self.recipe.precision),
            noise=noise_options(self.settings),
        )
        self.stages = Stages(base, self.family, load, device)
        encode_exactly(device)
        encoded = EncodedDataset(self.stages, self.plan)
        self.validation: Validation | None = None
        if self.plan.held_out:
            self.validation = Validation(self.stages, self.plan, self.group.device)
        also = [self.validation.encoded] if self.validation else []
        encoded.fill(self.group, self.reporter, self._encode_prompts, also)
        self.reporter.note(f"Loading the denoiser of {self.plan.base_name} for the steps.")
        model = self.stages.denoiser(self.plan.trained_texts)
        quantise_as_set(model.denoiser, self.settings, device)
        parameters = add_lora(model.denoiser, self.settings, self.recipe.alpha)
        settle(model.denoiser, parameters, self.settings, self.recipe.precision, self.group)
        set_up(self.settings, model.denoiser, device)
        make_fast(model, self.settings, encoded, self.reporter)
        texts = open_texts(model, self.plan, device, (encoded, *also))
        if saved is None:
            check_once(model, encoded, self.plan, self.manifest, device)
            if self.start is not None:
                self.start.put(parameters | texts, model)
        optimizer = make_optimizer(self.recipe, [*parameters.values()], [*texts.values()])
        parameters |= texts
        scaler = torch.amp.GradScaler(device.type, enabled=self.recipe.precision == "fp16")
        average = average_of(parameters, self.recipe.ema_decay)
        if saved is not None:
            restore(saved, parameters, optimizer, average)
            if saved.facts.scaler and scaler.is_enabled():
                scaler.load_state_dict(saved.facts.scaler)
            self.reporter.note(f"Continuing after step {saved.facts.step:,}.")
        prior = encoded.prior_caption if self.settings.keeps_answers else None
        state = TrainState(model, parameters, optimizer, scaler, encoded, prior, average)
        return state, encoded

    # --- the loop ------------------------------------------------------------------------------

    def _steps(self, state: TrainState, saved: SavedState | None, stop: Stop) -> None:
        from hubtools.training.step_log import MEASURED, StepLog

        start = saved.facts.step if saved else 0
        log = StepLog(
            self.run_dir if self.group.main else None,
            self.recipe,
            self.plan.examples,
            start,
            saved.facts.loss_ema if saved else None,
            self._tell,
            partial(keep_pace, self.plan, self.threads),
            self.reporter.note,
        )
        self.log = log
        if self.group.main:
            told = about(self.manifest, self.settings)
            earlier = Log(log.history, log.held_out)
            names, warn = chosen(self.settings), self.reporter.warn
            self.trackers = Trackers(names, self.run_dir, told, earlier, warn)
        total = self.recipe.steps
        forget_memory(self.group.device)
        agreement = StopAgreement(self.group, stop)
        with self.reporter.progress("training", total, start) as advance:
            with log.pause():  # what the run was killed before it could make
                self._made_of(state, start, stop, resumed=start > 0)
            for step in steps_that_fit(state, self.recipe, self.group, start, self.reporter.warn):
                log.add(step)
                advance(1, f"loss {log.loss_ema:.4f}" if log.loss_ema is not None else "")
                if step.done - start == MEASURED and log.seconds_a_step and step.done < total:
                    left, rest = total - step.done, log.seconds_a_step * (total - step.done)
                    self.reporter.note(
                        f"Measured {log.seconds_a_step:.3g} s a step: about {duration(rest)} for"
                        f" {plural(left, 'more step')}, samples not counted{self._cost(rest)}."
                    )
                stopping = agreement.reached()
                with log.pause():
                    self._between_steps(state, step.done, stop, save=stopping)
                alone = self.group.world_size == 1
                if stopping or (alone and stop and self.saved_step == step.done):
                    raise KeyboardInterrupt

    def _between_steps(self, state: TrainState, done: int, stop: Stop, *, save: bool) -> None:
        """What is due after step `done`: a state, a snapshot, samples."""
        recipe = self.recipe
        due = done == recipe.steps or done % recipe.checkpoint_every == 0
        if self.settings.checkpointing_steps is None:
            due = due or time.monotonic() - self.saved_at > STATE_SECONDS
        if save or due or done % recipe.snapshot_every == 0:
            self.log.flush()
            refuse_non_finite(done, state.parameters, state.optimizer)
        if save or due:
            self._save(state, done)
        self._made_of(state, done, stop, not save)

    def _made_of(
        self, state: TrainState, done: int, stop: Stop, look: bool = True, resumed: bool = False
    ) -> None:
        """What is due after step `done`: the snapshot, and with `look` samples and the loss of the
        held-out pictures; if `resumed`, what of it is missing."""
        recipe = self.recipe
        name = f"{SNAPSHOTS_DIR}/{slug_of(self.run_dir)}-step{done:06d}.safetensors"
        if self.group.main and done and done % recipe.snapshot_every == 0:
            with Root(self.run_dir) as root, state.published():
                if not (resumed and root.is_file(name)):
                    write_lora(root, name, state.model, self.settings, done, self.reporter.note)
        every = recipe.sample_every
        if look and every and (done == recipe.steps or done % every == 0):
            self._sample(state, done, stop, resumed)
            if done and stop and self.group.world_size == 1:
                self._save(state, done)
        if look:
            self._validate(state, done)

    def _validate(self, state: TrainState, done: int) -> None:
        """The loss of the held-out pictures after step `done`, if it is due and not known yet."""
        if self.validation is not None and is_due(self.recipe, done):
            if self.group.main:
                with state.published():
                    self.validation.look(state, done, self.log, self.reporter)
            self.group.barrier()

    def _save(self, state: TrainState, done: int) -> None:
        """State of step `done`, unless it is there already."""
        self.log.flush()
        if self.saved_step == done:
            return
        self.saved_step, self.saved_at = done, time.monotonic()
        if not self.group.main:
            return
        facts = StateFacts(
            step=done,
            fingerprint=self.fingerprint,
            threads=self.threads,
            loss_ema=self.log.loss_ema,
            seconds=round(self.log.seconds, 3),
            scaler=state.scaler.state_dict(),
            files={},
            versions=self.manifest.versions,
        )
        limit = self.settings.checkpoints_total_limit
        save_state(self.run_dir, facts, state.parameters, state.optimizer, limit, state.average)
        self.manifest.steps_done = done
        self._write_manifest()
        if done < self.recipe.steps:
            self.log.draw(self._title(), self.reporter.note)

    def _tell(self, lines: Sequence[Metric | HeldOut]) -> None:
        if self.trackers is not None:
            self.trackers.tell(lines)

    def _cost(self, seconds: float) -> str:
        """ "; cost: 1.29, 0.5 an hour", if the machine has a price."""
        price = self.settings.price_per_hour
        return "" if price is None else f"; cost: {price * seconds / 3600:.2f}, {price:g} an hour"

    def _encode_prompts(self, text: Opened) -> None:
        self.said = SamplePrompts(
            self.plan.samples,
            self.plan.prompts,
            self.plan.sample_size,
            self.project.dataset.trigger,
            self.plan.sample_controls,
        )
        if self.group.main and self.recipe.sample_every:
            # no picture is worth the training; `draw_samples` tries again and tells
            with suppress(Exception):
                self.said.encode(text.model, dtype_of(self.recipe.precision))

    def _sample(self, state: TrainState, done: int, stop: Stop, resumed: bool) -> None:
        if self.group.main and self.recipe.sample_every:
            with state.published():
                drawn = draw_samples(
                    state.model,
                    self.base,
                    self.stages,
                    self.said,
                    self.run_dir,
                    step=done,
                    warn=self.reporter.warn,
                    stopping=lambda: bool(stop),
                    resumed=resumed,
                )
            if drawn and self.trackers is not None:
                self.log.flush()  # steps come in order
                self.trackers.tell_samples(done)
        self.group.barrier()

    # --- after the loop ------------------------------------------------------------------------

    def _finish(self, state: TrainState, encoded: EncodedDataset) -> RunManifest:
        """Write the LoRA, prove that it reads back as trained, tell the facts."""
        path = self.run_dir / LORA_WEIGHTS
        if not self.group.main:
            with state.published():
                prove(path, state.model, encoded, self.recipe, self.group)
            self.group.barrier()
            return self.manifest
        self.log.draw(self._title(), self.reporter.note)
        if held := most_memory(self.group.device):
            self.reporter.note(f"GPU memory held during the steps: {human_bytes(held)} at most.")
        with Root(self.run_dir) as root, state.published():
            note, steps = self.reporter.note, self.recipe.steps
            write_lora(root, LORA_WEIGHTS, state.model, self.settings, steps, note)
            difference = prove(path, state.model, encoded, self.recipe, self.group)
        how = f"within {difference:.1g} of its effect" if difference else "exactly"
        self.reporter.note(
            f"{LORA_WEIGHTS} was read back and predicts as the trained LoRA does, {how}."
        )
        if told := not_found(state.optimizer):
            self.reporter.warn(told)
        note_lora(self.manifest, path, self.recipe, state.parameters)
        note_losses(self.manifest, self.log.history, self.log.held_out)
        self.manifest.seconds = round(self.log.seconds, 3)
        if cost := self._cost(self.log.seconds):
            self.reporter.note(f"The steps took {duration(self.log.seconds)}{cost}.")
        self.manifest.steps_done = self.recipe.steps
        self.manifest.finished = now()
        runfolder.seal_finish(self.run_dir, self.manifest)
        self._write_manifest(status="finished")
        with Root(self.run_dir) as root:
            forget_written(root)  # `run.json` has the sum of the LoRA
        self.group.barrier()
        return self.manifest

    def _write_manifest(self, status: str | None = None) -> None:
        if status is not None:
            self.manifest.status = status  # type: ignore[assignment]
        if self.group.main:
            self.manifest.write(self.run_dir, self.reporter.note)

    def _title(self) -> str:
        return f"{self.manifest.name}: training loss"
