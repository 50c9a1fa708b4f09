"""Refusals about budgets and donation projects, with their facts."""

from typing import Literal
from uuid import UUID

from ledgers.errors import DomainError


class UnknownBudget(DomainError):
    """There is no such budget, or it is out of the caller's reach."""

    def __init__(self, budget_id: UUID) -> None:
        super().__init__("there is no such budget")
        self.budget_id = budget_id


class BudgetReused(DomainError):
    """The id already stands for a budget of another programme, or from another day on."""

    def __init__(self, budget_id: UUID) -> None:
        super().__init__("this id already stands for another budget")
        self.budget_id = budget_id


class BudgetDoesNotFit(DomainError):
    """A sum below zero, or an end that is not after the beginning."""

    def __init__(self, wrong: Literal["total_fen", "validity"]) -> None:
        super().__init__(f"the budget's {wrong} does not hold together")
        self.wrong = wrong


class BudgetDrawn(DomainError):
    """A budget is not lowered below what its offers have drawn of it."""

    def __init__(self, *, total_fen: int, drawn_fen: int) -> None:
        super().__init__(f"{drawn_fen} fen are drawn, more than {total_fen}")
        self.total_fen = total_fen
        self.drawn_fen = drawn_fen


class UnknownProject(DomainError):
    """There is no such project, or it is out of the caller's reach."""

    def __init__(self, project_id: UUID) -> None:
        super().__init__("there is no such donation project")
        self.project_id = project_id


class ProjectReused(DomainError):
    """The id already stands for another project: name, merchant and goal stay."""

    def __init__(self, project_id: UUID) -> None:
        super().__init__("this id already stands for another donation project")
        self.project_id = project_id


class GoalNotPositive(DomainError):
    """A project asks for a point at least."""

    def __init__(self, goal_points: int) -> None:
        super().__init__(f"a goal of {goal_points} points is none")
        self.goal_points = goal_points
