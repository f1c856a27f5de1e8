"""Admin pages that change nothing themselves: they hand what was typed to a service.

The service is the only judge. When it refuses, its transaction is rolled back and the page is
shown again with each problem beside its field.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import PaginationInlineFormSet

from ams.errors import AMSError, FieldProblem, InvalidFields

_PROBLEMS: Final = "_problems_of_the_service"


class RowForm(forms.ModelForm):  # type: ignore[type-arg]  # the model is each page's own
    """Reads fields into values and leaves it to the service whether they are usable."""

    def _get_validation_exclusions(self) -> set[str]:
        # The model's own validators know less: they refuse http://orders, a fine host name in a
        # cluster, and a row that takes the place of one that is deleted in the same change.
        return {field.name for field in self._meta.model._meta.get_fields()}  # noqa: SLF001 - Django's public _meta


class ServiceForm(RowForm):
    """Shows the problems that the service found in the first attempt to save."""

    problems: tuple[FieldProblem, ...] = ()
    # Sections that have rows of their own on the page, and show their problems there.
    sections: frozenset[str] = frozenset()

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        for problem in self.problems:
            if problem.path and problem.path[0] in self.sections:
                continue
            path = problem.path
            names = ["_".join(map(str, path[:size])) for size in range(len(path), 0, -1)]
            known = [name for name in names if name in self.fields]
            if known:
                self.add_error(known[0], problem.message)
            else:
                self.add_error(None, str(problem))
        return cleaned


class ServiceFormSet(PaginationInlineFormSet):
    """Rows of a section of the spec, such as the operations of an API."""

    problems: tuple[FieldProblem, ...] = ()
    section = ""

    def rows(self) -> list[forms.ModelForm]:  # type: ignore[type-arg]
        """Return the filled rows that stay, in the order in which the spec has them."""
        return [
            form
            for form in self.forms
            if getattr(form, "cleaned_data", None) and not form.cleaned_data.get("DELETE")
        ]

    def clean(self) -> None:
        super().clean()
        rows = self.rows()
        for problem in self.problems:
            match problem.path:
                case (self.section, int(at), *rest) if at < len(rows):
                    _add_to_row(rows[at], rest, problem.message)


def _add_to_row(form: Any, path: Iterable[str | int], message: str) -> None:
    parts = [str(part) for part in path]
    names = ["_".join(parts), *parts]
    # A part of the spec that is spread over fields, such as throttle_calls: its first.
    spread = [name for name in form.fields if parts and name.startswith(f"{parts[0]}_")]
    name = next((name for name in (*names, *spread) if name in form.fields), None)
    form.add_error(name, message)


class ServiceInline(TabularInline):
    """Rows that the page's service saves, not the row's own form."""

    form = RowForm
    formset = ServiceFormSet
    extra = 0
    section = ""

    def get_formset(self, request: HttpRequest, obj: Model | None = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        formset.section = self.section
        formset.problems = getattr(request, _PROBLEMS, ())
        return formset


class ServiceAdmin(ModelAdmin):
    """Saves and deletes through services; subclasses say through which."""

    form = ServiceForm

    def save_spec(
        self,
        cleaned: Mapping[str, Any],
        sections: Mapping[str, list[Mapping[str, Any]]],
        present: Any,
    ) -> Any:
        """Return the row that the service saved; `present` is None for a new one."""
        raise NotImplementedError

    def delete_row(self, row: Any) -> None:
        """Let the service take `row` away."""
        raise NotImplementedError

    def get_form(
        self,
        request: HttpRequest,
        obj: Model | None = None,
        change: Any = False,  # noqa: FBT002 - Django's own signature
        **kwargs: Any,
    ) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.problems = getattr(request, _PROBLEMS, ())
        form.sections = frozenset(inline.section for inline in self.inlines)
        return form

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show the page again with the service's problems, when it refuses what was typed."""
        show: Callable[..., Any] = super().changeform_view
        try:
            return show(request, *args, **kwargs)
        except InvalidFields as error:
            setattr(request, _PROBLEMS, error.problems)
            return show(request, *args, **kwargs)
        except AMSError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.path)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        """Do nothing yet: rows of sections are part of the same change."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        del request
        sections = {
            formset.section: [row.cleaned_data for row in formset.rows()] for formset in formsets
        }
        saved = self.save_spec(form.cleaned_data, sections, form.instance if change else None)
        form.instance.pk = saved.pk

    def construct_change_message(
        self,
        request: HttpRequest,
        form: Any,
        formsets: Any,
        add: Any = False,  # noqa: FBT002 - Django's own signature
    ) -> Any:
        """Name the changed fields; the rows were not saved by their formsets."""
        del formsets
        return super().construct_change_message(request, form, None, add)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        del request
        self.delete_row(obj)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Say on the list why the service refuses, if it does."""
        try:
            answer: HttpResponse = super().delete_view(request, *args, **kwargs)
        except AMSError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect("../../")
        return answer

    def get_actions(self, request: HttpRequest) -> Any:
        """Leave out deletion of many at once, which knows no services."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions
