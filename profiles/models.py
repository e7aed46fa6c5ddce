"""What is remembered of people, and who may see it."""

import unicodedata
from collections.abc import Collection, Iterable
from typing import Any, Self

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator, URLValidator
from django.db import models, transaction
from django.db.models.functions import Lower
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from .pictures.fields import AvatarField


class UsernameField(models.CharField):
    """A user name: typed in any case, stored and looked for in lower case."""

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return value.lower() if isinstance(value, str) else value


class User(AbstractUser):
    """An account. Its e-mail address is empty until the link that was sent there is followed."""

    # People have one free display name instead; with None an inherited field is dropped.
    first_name = last_name = None  # type: ignore[assignment]
    username = UsernameField(
        _("user name"),
        max_length=30,
        unique=True,
        validators=[
            RegexValidator(
                r"\A[a-z0-9][a-z0-9_-]{2,29}\Z",
                _(
                    "Use 3 to 30 of the letters a to z, digits, hyphens and underscores. "
                    "Start with a letter or a digit."
                ),
            )
        ],
        error_messages={"unique": _("This user name is taken. Choose another.")},
    )

    class Meta(AbstractUser.Meta):  # type: ignore[name-defined]  # The stubs lack it.
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                condition=~models.Q(email=""),
                name="email_is_unique",
                violation_error_message=_("This address belongs to another account."),
            ),
        ]

    @classmethod
    def normalize_username(cls, username: Any) -> Any:
        username = super().normalize_username(username)
        return username and username.lower()  # None in a form that has refused the name.

    @classmethod
    def with_email(cls, email: str) -> models.QuerySet["User"]:
        """Return the account of a confirmed address, by the index that keeps addresses unique.

        Not by `iexact`: it reads the whole table, which takes the longer the later a member joined,
        and on PostgreSQL holds "ı" for "i".
        """
        lowered = cls.objects.alias(lowered=Lower("email"))
        return lowered.filter(lowered=Lower(models.Value(email))).exclude(email="")

    def get_full_name(self) -> str:
        return self.username

    get_short_name = get_full_name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the account; make the profile of a new one; hide the picture of an inactive one."""
        adding = self._state.adding
        with transaction.atomic():
            super().save(*args, **kwargs)
            if adding:
                Profile.objects.create(user=self)
        if not adding and "is_active" in (kwargs.get("update_fields") or ["is_active"]):
            for profile in Profile.objects.filter(user=self):
                profile.avatar.replace()


def validate_visible(name: str) -> None:
    """Refuse a name of which nothing would be seen: a link without a name in every list."""
    if not any(unicodedata.category(character)[0] in "LNPS" for character in name):
        raise ValidationError(_("Nothing of this name can be seen."))


def fold(text: str) -> str:
    """Return the text without case and accents, as it is stored and looked for."""
    # Twice: folding the case of 𝓐 takes the letter A first, and may bring accents of its own.
    plain = unicodedata.normalize("NFKD", text.replace("\0", "")).casefold()
    plain = unicodedata.normalize("NFKD", plain)
    return "".join(character for character in plain if not unicodedata.combining(character))


class ProfileQuerySet(models.QuerySet["Profile"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """Return the profiles that a visitor may see: the one rule for pages, search and bytes."""
        visible = models.Q(visibility=Profile.Visibility.PUBLIC)
        if user.is_authenticated:
            visible |= models.Q(visibility=Profile.Visibility.MEMBERS) | models.Q(user=user.pk)
        return self.filter(visible, user__is_active=True)


class Profile(models.Model):
    """A person, as others see them."""

    class Visibility(models.TextChoices):
        PUBLIC = "public", _("Everyone")
        MEMBERS = "members", _("Members, who have signed in")
        PRIVATE = "private", _("Only me")

    # Written by `avatar.replace` alone, under a lock: they belong together.
    GUARDED = frozenset({"avatar", "description", "visibility"})

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="profile")
    display_name = models.CharField(
        _("name"), max_length=60, blank=True, validators=[validate_visible]
    )
    bio = models.TextField(_("about you"), max_length=600, blank=True)
    location = models.CharField(_("place"), max_length=60, blank=True)
    website = models.URLField(
        _("website"), blank=True, validators=[URLValidator(schemes=["http", "https"])]
    )
    visibility = models.CharField(
        _("who can see you"), max_length=7, choices=Visibility, default=Visibility.MEMBERS
    )
    avatar = AvatarField(_("picture"), upload_to="avatars/", blank=True, db_index=True)
    description = models.CharField(_("description of the picture"), max_length=250, blank=True)
    # What the search looks in: letters of any case and accent are found by plain ones.
    folded_name = models.TextField(editable=False)

    objects = ProfileQuerySet.as_manager()

    class Meta:
        verbose_name = _("profile")
        verbose_name_plural = _("profiles")

    def __str__(self) -> str:
        return self.display_name or self.user.username

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any]) -> Self:
        instance = super().from_db(db, field_names, values)
        instance._remember(cls.GUARDED)
        return instance

    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: models.QuerySet["Profile"] | None = None,
    ) -> None:
        super().refresh_from_db(using, fields, from_queryset)
        self._remember(self.GUARDED.intersection(fields or self.GUARDED))

    def _remember(self, names: Collection[str]) -> None:
        """Note what the row holds, to tell later what was changed here."""
        stored = {name: str(self.__dict__[name]) for name in names if name in self.__dict__}
        self._stored = getattr(self, "_stored", {}) | stored

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the profile; a changed avatar or visibility goes through `avatar.replace`.

        So a copy that was read before somebody's upload never puts the old name back. Raises
        `ValidationError` for an assigned picture that is not taken.
        """
        self.folded_name = fold(self.display_name)
        if self._state.adding:
            made = self.avatar.make() if self.avatar.is_pending else None
            self.avatar = ""
            super().save(*args, **kwargs)
            self._remember(self.GUARDED)
            if made:
                self.avatar.replace(made)
        else:
            columns = {field.name for field in self._meta.concrete_fields if not field.primary_key}
            update_fields = kwargs.pop("update_fields", None)
            columns &= set(columns if update_fields is None else update_fields)
            if "display_name" in columns:
                columns.add("folded_name")
            if changes := self._find_guarded_changes(columns):
                self.avatar.replace(**changes)
            super().save(*args, update_fields=columns - self.GUARDED, **kwargs)

    def _find_guarded_changes(self, columns: Collection[str]) -> dict[str, Any]:
        changes: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("description", "visibility")
            if name in columns and getattr(self, name) != self._stored[name]
        }
        if "avatar" in columns and self.avatar.is_pending:
            # The old description is of the old picture.
            changes = {"description": "", **changes, "avatar": self.avatar.make()}
        elif "avatar" in columns and self._stored["avatar"] and not self.avatar:
            changes = {**changes, "description": "", "avatar": None}
        return changes

    def get_absolute_url(self) -> str:
        return reverse("profiles:detail", kwargs={"username": self.user.username})

    @property
    def is_public(self) -> bool:
        """Whether people who have not signed in may see the profile; decides the avatar's place."""
        return self.visibility == self.Visibility.PUBLIC and self.user.is_active


class Attempts(models.Model):
    """How often somebody has tried something lately; written by `throttles.attempt` alone."""

    key = models.CharField(max_length=64, primary_key=True)  # What and who, as a digest.
    number = models.PositiveIntegerField(default=0)
    ends = models.DateTimeField(db_index=True)  # From then on they no longer count.

    def __str__(self) -> str:
        return f"{self.number} until {self.ends}"


class MemberRequest(HttpRequest):
    """A request from somebody who has signed in."""

    user: User
