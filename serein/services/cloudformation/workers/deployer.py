"""One deployment, from where its record stands to its end.

Each resource is three things: a transaction that says what is about to be done (with the random part of its name), the
calls of its type, a transaction that says what came of it. After a crash the same step is done again with the same
name, and what is found to exist is taken for our own. Resources go one after the other, in the order of their
dependencies.
"""

from __future__ import annotations

from serein.base.errors import AwsError
from serein.engines.templates import (
    TemplateError,
    creation_order,
)
from serein.kernel.operations import Context, Tx
from serein.services.cloudformation.assuming import principal_of
from serein.services.cloudformation.deploying import finish_delete, put_status, replace
from serein.services.cloudformation.records import (
    DEPLOYMENTS,
    RESOURCES,
    STACKS,
    Deployment,
    Leftover,
    Resource,
    Stack,
)
from serein.services.cloudformation.workers.outcomes import (
    ExportConflict,
    drop_exports,
    finish_create,
    finish_rollback,
    finish_update,
    restore,
)
from serein.services.cloudformation.workers.removals import Removals
from serein.services.cloudformation.workers.resource_steps import ResourceSteps
from serein.services.cloudformation.workers.reversions import Reversions
from serein.services.cloudformation.workers.targets import Target, load_target, words_of

ROLLBACK_WORDS = "The following resource(s) failed to {verb}: [{names}]. "


class Deployer:
    """The deployment of one stack."""

    def __init__(self, cx: Context, stack_id: str, resumed: bool) -> None:
        self._base = cx
        self._stack_id = stack_id
        self._resumed = resumed
        self._cx = cx
        self._target: Target | None = None

    async def run(self) -> None:
        """Go on until the record is gone."""
        while True:
            deployment = self._base.read().get(DEPLOYMENTS, self._stack_id)
            if deployment is None:
                return
            try:
                self._cx = await principal_of(self._base, self.stack(), deployment)
            except AwsError as error:
                await self._cx.transact(self._give_up, deployment, error.message)
                continue
            await self._phase(deployment)

    async def _phase(self, deployment: Deployment) -> None:
        if deployment.phase == "deploy":
            await self._deploy(deployment)
        elif deployment.phase == "rollback":
            await self._roll_back(deployment)
        elif deployment.phase == "delete":
            await self._delete(deployment)
        else:
            await self._clean_up(deployment)

    def stack(self) -> Stack:
        """The stack as it is now."""
        read = self._cx.read()
        account, region = self._stack_id.split(":")[4], self._stack_id.split(":")[3]
        stack = read.get(STACKS, account, region, self._stack_id)
        assert stack is not None, "a deployment without its stack"
        return stack

    def _resources(self) -> dict[str, Resource]:
        return {r.logical_id: r for r in self._cx.read().scan(RESOURCES, (self._stack_id,))}

    def _removals(self, deployment: Deployment) -> Removals:
        return Removals(self._cx, self.stack(), deployment, self._resumed)

    # Deploying

    async def _deploy(self, deployment: Deployment) -> None:
        stack = self.stack()
        try:
            if self._target is None:
                self._target = load_target(self._cx.read(), stack)
            target = self._target
        except TemplateError as error:
            await self._fail(deployment, (), error.message)
            return
        done = set(deployment.done)
        for name in target.order:
            if name in done:
                continue
            current = self._cx.read().get(DEPLOYMENTS, self._stack_id)
            assert current is not None
            if current.is_cancelled:
                await self._fail(current, (), "User Initiated")
                return
            timeout = stack.timeout_minutes
            if timeout and self._cx.clock.now() > current.started_at + timeout * 60:
                await self._fail(
                    current, (name,), "Stack creation time exceeded the specified timeout"
                )
                return
            is_fine = await ResourceSteps(self._cx, stack, current, self._resumed).deploy(
                target, target.resources[name]
            )
            self._resumed = False
            if not is_fine:
                await self._fail(current, (name,), "")
                return
        await self._finish_deploy()

    async def _finish_deploy(self) -> None:
        target = self._target
        assert target is not None
        deployment = self._base.read().get(DEPLOYMENTS, self._stack_id)
        assert deployment is not None
        try:
            if deployment.kind == "CREATE":
                await self._cx.transact(finish_create, self._stack_id, target)
            else:
                removed = [name for name in self._resources() if name not in target.resources]
                await self._cx.transact(
                    finish_update, self._stack_id, target, self._leaving(removed)
                )
        except (TemplateError, ExportConflict) as error:
            words = str(error) if isinstance(error, ExportConflict) else words_of(error, target)
            await self._fail(deployment, (), words)

    def _leaving(self, removed: list[str]) -> tuple[Leftover, ...]:
        """The resources that the new template does not have, what needs others first."""
        resources = self._resources()
        needs = {name: resources[name].needs for name in resources}
        order = [name for name in reversed(creation_order(needs)) if name in removed]
        return tuple(
            Leftover(
                logical_id=name,
                physical_id=resources[name].physical_id,
                type=resources[name].type,
                properties=resources[name].properties,
                policy=resources[name].deletion_policy,
                suffix=resources[name].suffix,
            )
            for name in order
        )

    async def _fail(self, deployment: Deployment, names: tuple[str, ...], words: str) -> None:
        await self._cx.transact(self._turn_back, names, words)

    def _turn_back(self, tx: Tx, names: tuple[str, ...], words: str) -> None:
        """From deploying to rolling back (or to standing still, or to deleting, as the stack wants it)."""
        deployment = tx.get(DEPLOYMENTS, self._stack_id)
        assert deployment is not None
        stack = tx.get(STACKS, deployment.account, deployment.region, self._stack_id)
        assert stack is not None
        creating = deployment.kind == "CREATE"
        if words and names:
            reason = f"{words} "
        elif words:
            reason = f"{words}. " if not words.endswith(".") else f"{words} "
        else:
            verb = "create" if creating or names[0] in deployment.added else "update"
            reason = ROLLBACK_WORDS.format(verb=verb, names=", ".join(names))
        stands_still = stack.disable_rollback or stack.on_failure == "DO_NOTHING"
        if stands_still:
            put_status(tx, stack, "CREATE_FAILED" if creating else "UPDATE_FAILED", reason)
            tx.delete(DEPLOYMENTS, self._stack_id)
            return
        if creating and stack.on_failure == "DELETE":
            put_status(tx, stack, "DELETE_IN_PROGRESS", f"{reason}Delete requested by user.")
            next_phase = replace(deployment, phase="delete", kind="DELETE", done=(), failed=())
            tx.put(DEPLOYMENTS, next_phase)
            return
        status = "ROLLBACK_IN_PROGRESS" if creating else "UPDATE_ROLLBACK_IN_PROGRESS"
        if not words.startswith("User"):
            reason += "Rollback requested by user."
        put_status(tx, stack, status, reason.strip())
        tx.put(
            DEPLOYMENTS, replace(deployment, phase="rollback", done=(), failed=names, leftovers=())
        )

    # Rolling back

    async def _roll_back(self, deployment: Deployment) -> None:
        if deployment.kind == "CREATE":
            await self._delete_all(deployment)
            return
        resources = self._resources()
        order = creation_order({name: r.needs for name, r in resources.items()})
        failed: list[str] = []
        steps = Reversions(self._cx, self.stack(), deployment, self._resumed)
        for name in order:
            if name not in deployment.previous or name in deployment.done:
                continue
            if not await steps.revert(deployment.previous[name]):
                failed.append(name)
        self._resumed = False
        await self._cx.transact(
            restore, self._stack_id, failed, self._leaving(self._added(deployment))
        )

    def _added(self, deployment: Deployment) -> list[str]:
        return [name for name in deployment.added if name in self._resources()]

    async def _clean_up(self, deployment: Deployment) -> None:
        steps = self._removals(deployment)
        for leftover in deployment.leftovers:
            if leftover.physical_id + "/" + leftover.logical_id in deployment.done:
                continue
            await steps.remove_leftover(leftover)
        self._resumed = False
        await self._cx.transact(finish_rollback, self._stack_id)

    # Deleting

    async def _delete(self, deployment: Deployment) -> None:
        try:
            await self._cx.transact(self._drop_exports)
        except ExportConflict as error:
            await self._cx.transact(self._refuse_deletion, str(error))
            return
        await self._delete_all(deployment)

    def _drop_exports(self, tx: Tx) -> None:
        deployment = tx.get(DEPLOYMENTS, self._stack_id)
        assert deployment is not None
        stack = tx.get(STACKS, deployment.account, deployment.region, self._stack_id)
        assert stack is not None
        drop_exports(tx, stack)

    def _refuse_deletion(self, tx: Tx, words: str) -> None:
        deployment = tx.get(DEPLOYMENTS, self._stack_id)
        assert deployment is not None
        stack = tx.get(STACKS, deployment.account, deployment.region, self._stack_id)
        assert stack is not None
        put_status(tx, replace(stack, deleted_at=None), "DELETE_FAILED", words, deployment.token)
        tx.delete(DEPLOYMENTS, self._stack_id)

    async def _delete_all(self, deployment: Deployment) -> None:
        resources = self._resources()
        order = list(reversed(creation_order({name: r.needs for name, r in resources.items()})))
        failed: set[str] = set()
        for name in order:
            # What a resource that could not be deleted needs stays, too.
            if any(name in resources[other].needs for other in failed if other in resources):
                continue
            if not await self._removals(deployment).delete(resources[name]):
                failed.add(name)
        self._resumed = False
        await self._cx.transact(self._finish_deletion, sorted(failed))

    def _finish_deletion(self, tx: Tx, failed: list[str]) -> None:
        deployment = tx.get(DEPLOYMENTS, self._stack_id)
        assert deployment is not None
        stack = tx.get(STACKS, deployment.account, deployment.region, self._stack_id)
        assert stack is not None
        is_rollback = deployment.phase == "rollback"
        if failed:
            words = ROLLBACK_WORDS.format(verb="delete", names=", ".join(failed))
            put_status(tx, stack, "ROLLBACK_FAILED" if is_rollback else "DELETE_FAILED", words)
        elif is_rollback:
            stack = replace(stack, deleted_at=tx.now)
            put_status(tx, stack, "ROLLBACK_COMPLETE")
        else:
            finish_delete(tx, stack, deployment.token)
        tx.delete(DEPLOYMENTS, self._stack_id)

    def _give_up(self, tx: Tx, deployment: Deployment, words: str) -> None:
        """The deployment's role cannot be assumed: nothing can be done or undone."""
        stack = tx.get(STACKS, deployment.account, deployment.region, self._stack_id)
        assert stack is not None
        words = f"Role {stack.role_arn} is invalid or cannot be assumed: {words}"
        ends = {
            "CREATE": "ROLLBACK_FAILED" if deployment.phase == "rollback" else "CREATE_FAILED",
            "UPDATE": "UPDATE_ROLLBACK_FAILED"
            if "rollback" in deployment.phase
            else "UPDATE_FAILED",
            "DELETE": "DELETE_FAILED",
        }
        put_status(tx, stack, ends[deployment.kind], words)
        tx.delete(DEPLOYMENTS, self._stack_id)
