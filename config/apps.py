"""The admin, with the site's own door, and with a log that outlives accounts and may be long."""

from typing import Any

from django.contrib.admin import apps
from django.db.models import DO_NOTHING, Index


class AdminConfig(apps.AdminConfig):
    default_site = "config.admin.AdminSite"

    def ready(self) -> None:
        """Keep the log of somebody whose account is deleted: their number stays in it.

        Django would delete it, in Python and in the database (profiles/migrations/0013). It also
        lacks the indexes for what is shown of a long log (0018).
        """
        super().ready()
        log: Any = self.get_model("LogEntry")._meta
        log.original_attrs["indexes"] = log.indexes = [
            Index(fields=["content_type", "object_id"], name="log_of_object"),
            Index(fields=["user", "action_time"], name="log_of_user"),
        ]
        user = log.get_field("user")
        # Pages that show the log leave out an entry without its user, unless that may be missing.
        user.null, user.db_constraint, user.remote_field.on_delete = True, False, DO_NOTHING
