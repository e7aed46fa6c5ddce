"""The models of people, and the rule of who may see them."""

from collections.abc import Iterable
from datetime import datetime
from functools import cache, cached_property
from importlib import import_module
from typing import Any, Self
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator, URLValidator
from django.db import connections, models, transaction
from django.db.models.expressions import RawSQL
from django.db.models.functions import Lower, StrIndex
from django.db.models.lookups import Exact
from django.http import HttpRequest
from django.urls import get_script_prefix, reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from .clients import translate_browser
from .names import validate_marks, validate_plain, validate_visible
from .pictures.avatar import Avatar
from .pictures.fields import AvatarField
from .pictures.files import KEEP, Keep
from .pictures.initials import get_initials
from .search.folding import fold_name
from .search.words import Query


class UsernameField(models.CharField):
    """A user name: typed in any case, stored and looked for in lower case."""

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return value.lower() if isinstance(value, str) else value


class User(AbstractUser):
    """An account. Its e-mail address is empty until the link that was sent there is followed."""

    # People have one free display name instead; with None an inherited field is dropped.
    first_name = last_name = None  # type: ignore[assignment]  # How Django drops a field.
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
        indexes = [
            models.Index(fields=["id"], condition=models.Q(is_active=False), name="inactive_user"),
            models.Index(fields=["id"], condition=models.Q(is_staff=True), name="staff_user"),
        ]

    @classmethod
    def normalize_username(cls, username: Any) -> Any:
        username = super().normalize_username(username)
        return username and username.lower()  # None in a form that refused the name.

    @classmethod
    def with_email(cls, email: str) -> models.QuerySet["User"]:
        """Return the account of a confirmed address, found by the index of unique addresses.

        Not by `iexact`, which reads the whole table, and on PostgreSQL takes "ı" for "i".
        """
        lowered = cls.objects.alias(lowered=Lower("email"))
        return lowered.filter(lowered=Lower(models.Value(email))).exclude(email="")

    def get_full_name(self) -> str:
        return self.username

    get_short_name = get_full_name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the account, and create the profile of a new one.

        A new password cancels a change of the address that is not confirmed, and ends all sessions;
        Django gives the one in which it was changed a new row. So does disabling the account. Where
        it is disabled or enabled, the picture is hidden or shown. Raises `OSError` if the
        picture cannot be moved now; the account is saved, and `tidy` moves the picture later.
        Raises `DoesNotExist` for an account that has been deleted meanwhile.
        """
        adding, password = self._state.adding, getattr(self, "_password", None)
        writes_active = not adding and "is_active" in (kwargs.get("update_fields") or ["is_active"])
        was_active = self.is_active
        with transaction.atomic():
            if writes_active:
                # Lock the profile before the account, as deleting does: another order deadlocks.
                list(Profile.objects.select_for_update().filter(user=self.pk))
                # Fails for an account that is gone, which Django would insert again.
                was_active = User.objects.values_list("is_active", flat=True).get(pk=self.pk)
            if not adding and (password is not None or not self.is_active):
                self.sessions.all().delete()  # Before the account is locked, also as deleting does.
            super().save(*args, **kwargs)
            if adding:
                Profile.objects.create(user=self)
            if password is not None:  # As `set_password()` marks it.
                self.address_changes.filter(is_confirmed=False).delete()
        if was_active != self.is_active:
            for profile in Profile.objects.filter(user=self.pk):
                profile.avatar.replace()

    def check_password(self, raw_password: str) -> bool:
        """Return whether it is the password; replace a hash of an earlier hasher."""
        old = self.password
        is_right = check_password(raw_password, old, self.rehash)
        # Check the new hash too: another request may have changed the password meanwhile.
        return is_right and (self.password == old or check_password(raw_password, self.password))

    def rehash(self, raw_password: str) -> None:
        """Store the same password with a new hash; all sessions stay, which Django would end."""
        known = [self.get_session_auth_hash(), *self.get_session_auth_fallback_hash()]
        mine = User.objects.filter(pk=self.pk, password=self.password)
        self.password = make_password(raw_password)
        with transaction.atomic():
            sessions = list(self.sessions.select_for_update())  # First, as in `save`.
            if not mine.update(password=self.password):
                return self.refresh_from_db(fields=["password"])
            for session in sessions:
                data = session.get_decoded()
                if data.get(HASH_SESSION_KEY) in known:
                    data[HASH_SESSION_KEY] = self.get_session_auth_hash()
                    session.session_data = Session.objects.encode(data)
                    session.save(update_fields=["session_data"])


def validate_without_user(url: str) -> None:
    """Refuse a URL with a user name, which pretends to be another host."""
    if "@" in urlsplit(url).netloc:
        raise ValidationError(_("Leave out what is before the @: it is no part of the address."))


# Where pictures are stored.
PUBLIC_TO, PROTECTED_TO = "avatars/", "protected/"


def is_stored_in(folder: str) -> models.Q:
    """Return a condition for a partial index: SQLite does not use one with `startswith`."""
    start = models.Func(
        models.F("avatar"),
        template=f"SUBSTR(%(expressions)s, 1, {len(folder)})",
        output_field=models.CharField(),
    )
    return models.Q(Exact(start, folder))


# Whom search/index.py has to add; that has the same condition in SQL.
MISSING = models.Q(names="") | models.Q(Exact(StrIndex("folded_name", models.Value("\n")), 0))
PUBLIC, PICTURED = models.Q(visibility="public"), ~models.Q(avatar="")
MEMBERS, PRIVATE = models.Q(visibility="members"), models.Q(visibility="private")
STORED_PUBLICLY, STORED_PROTECTED = is_stored_in(PUBLIC_TO), is_stored_in(PROTECTED_TO)


class TriggeredField(models.TextField):
    """A column that the database's triggers write, and Django does not."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        return "" if add else models.F(self.attname)


@cache
def find_people_url(script_prefix: str) -> str:
    """Return the address below which each person has a page.

    It is found once: `reverse()` for each person would take a tenth of the time of a list.
    """
    return reverse("profiles:list")


class ProfileQuerySet(models.QuerySet["Profile"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """Return the profiles that a visitor may see: the one rule for pages, search and files."""
        visible = models.Q(visibility=Profile.Visibility.PUBLIC)
        if user.is_authenticated:
            visible |= models.Q(visibility=Profile.Visibility.MEMBERS) | models.Q(user=user.pk)
        return self.filter(visible, user__is_active=True)

    def search(self, query: Query, only_public: bool = False) -> Self:
        """Return those who have every word of the query in the user name or the name.

        They are ordered by the alias `key`, the row's. `only_public` makes that quick where the
        queryset has only public profiles: it does not filter them.
        """
        if not query.words:
            return self.none()
        if connections[self.db].vendor == "sqlite":
            # Only so can SQLite read from the newest on: Django's ORM joins no table of FTS5.
            joined = ["profiles_search.rowid = profiles_profile.id", "profiles_search MATCH %s"]
            match = query.write_match(only_public)
            found = self.extra(tables=["profiles_search"], where=joined, params=[match])  # noqa: S610
            return found.alias(key=RawSQL("profiles_search.rowid", ()))
        has_words = [models.Q(names__contains=word) for word in query.words]
        return self.filter(*has_words).alias(key=models.F("pk"))

    def called(self, query: Query) -> Self:
        """Return those who are called exactly as the query says."""
        if query.folded_name == fold_name(""):  # Everybody without a name would be.
            return self.none()
        account = User.objects.filter(username=query.username).values("pk")[:1]
        # A subquery of one row, by which both databases use an index on each side of the OR.
        exact = models.Q(user=models.Subquery(account)) | models.Q(folded_name=query.folded_name)
        return self.filter(exact).alias(key=models.F("pk"))

    def not_called(self, query: Query) -> Self:
        """Return the others."""
        return self.exclude(user__username=query.username).exclude(folded_name=query.folded_name)

    def update(self, **changes: Any) -> int:
        """Update the rows, and with the name the column that is searched."""
        if isinstance(name := changes.get("display_name"), str):
            changes["folded_name"] = fold_name(name)
        return super().update(**changes)

    def bulk_update(
        self, objs: Iterable["Profile"], fields: Iterable[str], batch_size: int | None = None
    ) -> int:
        """Update the rows, and with the name the column that is searched."""
        profiles, names = list(objs), {*fields}
        if "display_name" in names:
            names.add("folded_name")
            for profile in profiles:
                profile.folded_name = fold_name(profile.display_name)
        return super().bulk_update(profiles, names, batch_size)

    def for_list(self) -> Self:
        """Read only what a list shows of each person: of the account, the user name."""
        shown = self.only("display_name", "location", "avatar")
        return shown.annotate(username=models.F("user__username"))

    def misplaced(self) -> Self:
        """Return the profiles whose pictures are stored where other people see them.

        Each part is found by a small index of its own.
        """
        hidden = self.filter(STORED_PUBLICLY & ~PUBLIC)
        inactive = self.filter(STORED_PUBLICLY, user__is_active=False)
        shown = self.filter(STORED_PROTECTED & PUBLIC, user__is_active=True)
        return hidden.union(inactive, shown)


class Profile(models.Model):
    """A person, as others see them."""

    class Visibility(models.TextChoices):
        PUBLIC = "public", _("Everyone")
        MEMBERS = "members", _("Members only")
        PRIVATE = "private", _("Only me")

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="profile")
    display_name = models.CharField(
        _("name"), max_length=60, blank=True, validators=[validate_visible, validate_plain]
    )
    bio = models.TextField(_("about you"), max_length=600, blank=True, validators=[validate_marks])
    location = models.CharField(_("place"), max_length=60, blank=True, validators=[validate_plain])
    website = models.URLField(
        _("website"),
        blank=True,
        validators=[URLValidator(schemes=["http", "https"]), validate_without_user],
    )
    visibility = models.CharField(
        _("who can see you"), max_length=7, choices=Visibility, default=Visibility.MEMBERS
    )
    avatar = AvatarField(
        _("picture"),
        upload_to=PUBLIC_TO,
        protected_to=PROTECTED_TO,
        is_public=lambda profile: profile.is_public,
        visible_to=lambda user: Profile.objects.visible_to(user),
        misplaced=lambda: Profile.objects.misplaced(),
        description_field="description",
        blank=True,
        db_index=True,
    )
    description = models.CharField(_("description of the picture"), max_length=250, blank=True)
    # The name without case and accents, as `fold_name` returns it.
    folded_name = models.TextField(editable=False)
    # Both names, for the search: see search/index.py.
    names = TriggeredField(editable=False, serialize=False, db_default="")

    objects = ProfileQuerySet.as_manager()

    class Meta:
        verbose_name = _("profile")
        verbose_name_plural = _("profiles")
        indexes = [
            models.Index(
                fields=["id"], condition=STORED_PUBLICLY & ~PUBLIC, name="picture_to_hide"
            ),
            # With the columns of its condition: so SQLite prefers it to `public_profile`.
            models.Index(
                fields=["user", "visibility", "avatar"],
                condition=STORED_PROTECTED & PUBLIC,
                name="picture_to_show",
            ),
            # By these, a page of people is found however few are public or have a picture.
            models.Index(fields=["id"], condition=PUBLIC, name="public_profile"),
            models.Index(fields=["id"], condition=MEMBERS, name="members_profile"),
            models.Index(fields=["id"], condition=PRIVATE, name="private_profile"),
            models.Index(fields=["id"], condition=PICTURED, name="pictured_profile"),
            models.Index(
                fields=["id"], condition=PUBLIC & PICTURED, name="public_pictured_profile"
            ),
            models.Index(fields=["folded_name"], name="profile_folded_name"),
            models.Index(fields=["id"], condition=MISSING, name="missing_in_search"),
        ]

    @cached_property
    def username(self) -> str:
        """The user name, which `for_list` reads with the row."""
        return self.user.username

    def __str__(self) -> str:
        return self.display_name or self.username

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.folded_name = fold_name(self.display_name)
        if "display_name" in (kwargs.get("update_fields") or []):
            kwargs["update_fields"] = {*kwargs["update_fields"], "folded_name"}
        super().save(*args, **kwargs)

    def change(self, avatar: Avatar | Keep | None = KEEP, **changes: Any) -> None:
        """Change columns, and the picture or its place with them, in one transaction.

        Raises `OSError` where files cannot be stored; then nothing has changed.
        """
        if "display_name" in changes:
            changes["folded_name"] = fold_name(changes["display_name"])
        self.avatar.replace(avatar, **changes)

    def get_absolute_url(self) -> str:
        return f"{find_people_url(get_script_prefix())}{self.username}/"

    @property
    def initials(self) -> str:
        return get_initials(str(self)) or get_initials(self.username)

    @property
    def is_public(self) -> bool:
        """Whether people who have not signed in may see the profile."""
        return self.visibility == self.Visibility.PUBLIC and self.user.is_active


class Attempts(models.Model):
    """How often somebody has tried something lately; written by `throttles.py` alone."""

    key = models.CharField(max_length=64, primary_key=True)  # What and who, as a digest.
    number = models.PositiveIntegerField(default=0)
    limit = models.PositiveIntegerField(db_default=0)  # At this number, they are refused.
    ends = models.DateTimeField(db_index=True)  # From then on they no longer count.

    def __str__(self) -> str:
        return f"{self.number} until {self.ends}"


class AddressChange(models.Model):
    """A change of an account's e-mail address; accounts/addresses.py explains it.

    A confirmed one is kept for a while, so that the owner of the old address can undo it. One from
    an address to itself is a point that the account can go back to.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="address_changes")
    old = models.EmailField(blank=True)
    new = models.EmailField()
    is_confirmed = models.BooleanField(default=False)
    ends = models.DateTimeField(db_index=True)  # From then on, it can no longer be done or undone.

    def __str__(self) -> str:
        return f"{self.old} to {self.new}"


class Session(AbstractBaseSession):
    """A session, and of a member's also where and when it began; config/sessions.py writes it."""

    # Without a constraint in the database: for a member who is deleted meanwhile, Django would take
    # the error for a key that is taken, and try other keys for ever.
    user = models.ForeignKey(
        User, on_delete=models.CASCADE, null=True, related_name="sessions", db_constraint=False
    )
    browser = models.CharField(max_length=60, blank=True)  # As `name_browser` returns it.
    network = models.CharField(max_length=43, blank=True)  # As `find_network` returns it.
    begun = models.DateTimeField(default=timezone.now)
    seen = models.DateTimeField(default=timezone.now)  # The last visit may be five minutes later.

    def __str__(self) -> str:
        return self.label  # Not the key, with which anybody is signed in.

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
        return store

    @property
    def label(self) -> str:
        return translate_browser(self.browser)

    @property
    def handle(self) -> str:
        """Names the session in addresses. The key does not follow from it."""
        return salted_hmac("profiles.sessions", self.pk, algorithm="sha256").hexdigest()

    def find_end(self, now: datetime) -> datetime:
        """Return when the session ends if nobody comes back after now."""
        return min(now + settings.SESSION_IDLE_AGE, self.begun + settings.SESSION_AGE)


class Passkey(models.Model):
    """A passkey: the public half of a key pair that a device or a password manager holds."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="passkeys")
    name = models.CharField(_("name"), max_length=60, validators=[validate_visible])
    credential_id = models.CharField(max_length=1400, unique=True)  # Of 1,023 bytes, in base64url.
    public_key = models.BinaryField()
    # Rises with each use, if the device counts: a copy of the passkey falls behind.
    sign_count = models.PositiveBigIntegerField(default=0)
    created = models.DateTimeField(auto_now_add=True)
    used = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class CodeApp(models.Model):
    """The app that shows a member a new code every 30 seconds (TOTP, RFC 6238)."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="code_app")
    sealed_key = models.CharField(max_length=250)  # Encrypted with a key from SECRET_KEY.
    last_step = models.BigIntegerField()  # The 30 seconds of the last code: none works twice.
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"since {self.created}"


class RecoveryCode(models.Model):
    """A code that replaces the passkey or the app once; stored as a digest."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64, unique=True)

    def __str__(self) -> str:
        return self.digest[:8]


class MemberRequest(HttpRequest):
    """A request from somebody who has signed in."""

    user: User
