"""Does a file ask for what this release can read and cannot do yet?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from farandole.router.check_lint import file_checks
from farandole.router.lint_context import LintContext, LintRule
from farandole.router.lint_finding import Finding


def _lint_unbuilt(context: LintContext) -> Iterator[Finding]:
    for check in file_checks(context):
        if check.section.rule == "known" and check.section.within is not None:
            yield context.finding(
                (*check.path, "within"),
                f"the check {check.name!r} knows only the keys of the same run yet",
                "delete `within`",
            )


UNBUILT_RULES: Mapping[str, LintRule] = {"unbuilt": _lint_unbuilt}
