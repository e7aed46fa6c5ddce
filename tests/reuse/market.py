"""What docs/reuse.md promises, tried in the project that it makes (see tests/test_reuse.py)."""

import io
import shutil
import tempfile
from pathlib import Path

from django.contrib.auth.models import User
from django.core.files.base import ContentFile, File
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.forms import modelform_factory
from django.template import Context, Template
from django.test import Client, TransactionTestCase, override_settings
from PIL import Image

from .models import Buyer, Order, Seller, Trader, Wanted, Wholesaler


def draw(colour="teal", side=600):
    file = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(file, "JPEG")
    return ContentFile(file.getvalue(), "me.jpg")


class Case(TransactionTestCase):
    """A media folder and a protected one of each test's own."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        backend = "django.core.files.storage.FileSystemStorage"
        storages = {
            "default": {"BACKEND": backend},
            "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
            "protected": {"BACKEND": backend, "OPTIONS": {"location": self.folder / "protected"}},
        }
        own = override_settings(MEDIA_ROOT=self.folder / "media", STORAGES=storages)
        own.enable()
        self.addCleanup(own.disable)

    def list_files(self):
        return sorted(path.name for path in self.folder.rglob("*") if path.is_file())

    def assert_stored(self, row):
        """The row names five files, and there are no others."""
        name = type(row).objects.get(pk=row.pk).photo.name
        self.assertEqual(row.photo.name, name)
        stem = Path(name).name.removesuffix("512.webp")
        endings = ["128.webp", "256.jpg", "256.webp", "512.webp", "64.webp"]
        self.assertEqual(self.list_files(), [stem + ending for ending in endings])

    def assert_nothing_stored(self, row):
        self.assertFalse(type(row).objects.get(pk=row.pk).photo)
        self.assertFalse(row.photo)
        self.assertEqual(self.list_files(), [])


class SavingTests(Case):
    def test_a_new_row_with_a_picture(self):
        self.assert_stored(Seller.objects.create(name="Ada", photo=draw()))

    def test_a_new_row_of_a_chosen_key(self):
        self.assert_stored(Seller.objects.create(pk=77, name="Ada", photo=draw()))

    def test_a_new_object_over_an_existing_row(self):
        Seller.objects.create(pk=77, name="Ada", photo=draw())
        seller = Seller(pk=77, name="Grace", photo=draw("plum"))
        seller.save()
        self.assert_stored(seller)

    def test_an_assigned_picture_replaces_the_old_one(self):
        seller = Seller.objects.create(name="Ada", photo=draw())
        old = seller.photo.name
        seller.photo = draw("plum")
        seller.save()
        self.assertNotEqual(seller.photo.name, old)
        self.assert_stored(seller)

    def test_a_picture_saved_by_the_file(self):
        seller = Seller.objects.create(name="Ada")
        seller.photo.save("any name", draw())
        self.assert_stored(seller)
        seller.photo.save("any name", draw("plum"))
        self.assert_stored(seller)

    def test_a_picture_saved_by_the_file_of_a_new_object(self):
        seller = Seller(name="Ada")
        seller.photo.save("any name", draw())
        self.assert_stored(seller)

    def test_a_picture_saved_by_the_file_and_later_by_the_row(self):
        seller = Seller.objects.create(name="Ada")
        seller.photo.save("any name", draw(), save=False)
        self.assertEqual(self.list_files(), [])
        seller.save()
        self.assert_stored(seller)

    def test_a_picture_deleted_by_the_file(self):
        seller = Seller.objects.create(name="Ada", photo=draw())
        seller.photo.delete()
        self.assert_nothing_stored(seller)

    def test_a_picture_that_is_cleared(self):
        for nothing in ("", None):
            seller = Seller.objects.create(name="Ada", photo=draw())
            seller.photo = nothing
            seller.photo = nothing
            seller.save()
            self.assert_nothing_stored(seller)

    def test_a_picture_that_is_assigned_and_not_saved(self):
        seller = Seller.objects.create(name="Ada", photo=draw())
        seller.photo = draw("plum")
        seller.save(update_fields=["name"])
        seller.refresh_from_db()
        self.assert_stored(seller)

    def test_a_file_that_is_no_picture_changes_nothing(self):
        seller = Seller.objects.create(name="Ada", photo=draw())
        seller.name, seller.photo = "Grace", ContentFile(b"Dear Charles", "letter.jpg")
        with self.assertRaisesMessage(Exception, "not a picture"):
            seller.save()
        seller.refresh_from_db()
        self.assertEqual(seller.name, "Ada")
        self.assert_stored(seller)

    def test_a_replacement_with_other_columns(self):
        seller = Seller.objects.create(name="Ada", photo=draw())
        avatar = Seller._meta.get_field("photo").make_avatar(draw("plum"))
        seller.photo.replace(avatar, name="Grace")
        self.assertEqual((seller.name, Seller.objects.get().name), ("Grace", "Grace"))
        self.assert_stored(seller)

    def test_a_save_that_fails_keeps_the_old_picture(self):
        Wanted.objects.create(title="taken", logo=draw())
        wanted = Wanted.objects.create(title="free", logo=draw())
        old = wanted.logo.name
        wanted.title, wanted.logo = "taken", draw("plum")
        with self.assertRaises(IntegrityError):
            wanted.save()
        self.assertEqual(Wanted.objects.get(title="free").logo.name, old)
        self.assertEqual(len(self.list_files()), 10)

    def test_two_fields_of_different_sizes(self):
        picture = draw()
        wanted = Wanted.objects.create(title="both", logo=picture, front=picture)
        self.assertEqual(len(self.list_files()), 5 + 2)
        wanted.logo, wanted.front = draw("plum"), ContentFile(b"Dear Charles", "letter.jpg")
        old = Wanted.objects.get().logo.name
        with self.assertRaisesMessage(Exception, "not a picture"):
            wanted.save()
        self.assertEqual(Wanted.objects.get().logo.name, old)
        with self.assertRaises(ValueError):
            avatar = Wanted._meta.get_field("logo").make_avatar(draw())
            wanted.front.replace(avatar)
        wanted.delete()
        self.assertEqual(self.list_files(), [])

    def test_a_picture_without_a_name(self):
        data = draw().read()
        seller = Seller.objects.create(name="Ada", photo=ContentFile(data))
        self.assert_stored(seller)
        seller.photo = File(io.BytesIO(data))
        seller.save()
        self.assertTrue(seller.photo)
        self.assert_stored(seller)

    def test_a_picture_of_an_object_without_a_row_is_not_deleted(self):
        Seller(name="Ada").photo.delete()
        self.assertEqual(Seller.objects.count(), 0)

    def test_a_description_goes_with_its_picture(self):
        order = Order.objects.create(photo=draw(), note="A cat")
        self.assertEqual(Order.objects.get().note, "A cat")
        order.photo.save("any name", draw("plum"))
        self.assertEqual((order.note, Order.objects.get().note), ("", ""))
        order.note = "A dog"
        order.photo = draw()
        order.save()
        self.assertEqual(Order.objects.get().note, "A dog")
        call_command("rebuild_avatars", stdout=io.StringIO())
        self.assertEqual(Order.objects.get().note, "A dog")
        order.photo.replace(None)
        self.assertEqual(Order.objects.get().note, "")

    def test_a_transaction_that_is_rolled_back(self):
        seller = Seller.objects.create(name="Ada", photo=draw())
        old = seller.photo.name
        with transaction.atomic():
            Seller.objects.get().photo.save("any name", draw("plum"))
            transaction.set_rollback(True)
        self.assertEqual(Seller.objects.get().photo.name, old)
        self.assertIn(Path(old).name, self.list_files())


class FormTests(Case):
    form = modelform_factory(Seller, fields=["name", "photo"])

    def test_a_picture_and_its_removal(self):
        upload = SimpleUploadedFile("me.jpg", draw().read(), "image/jpeg")
        form = self.form({"name": "Ada"}, {"photo": upload})
        seller = form.save()
        self.assert_stored(seller)
        self.form({"name": "Grace"}, instance=Seller.objects.get()).save()
        self.assert_stored(seller)
        form = self.form({"name": "Grace", "photo-clear": "on"}, instance=Seller.objects.get())
        self.assert_nothing_stored(form.save())

    def test_a_file_that_is_no_picture(self):
        upload = SimpleUploadedFile("me.jpg", b"Dear Charles", "image/jpeg")
        form = self.form({"name": "Ada"}, {"photo": upload})
        self.assertIn("not a picture", str(form.errors["photo"]))

    def test_the_admin(self):
        root = User.objects.create_superuser("root", password="pass phrase")
        client = Client()
        client.force_login(root)
        client.post("/admin/market/seller/add/", {"name": "Ada", "photo": draw()})
        seller = Seller.objects.get()
        self.assert_stored(seller)
        url = f"/admin/market/seller/{seller.pk}/change/"
        client.post(url, {"name": "Grace", "photo": draw("plum")})
        self.assertNotEqual(Seller.objects.get().photo.name, seller.photo.name)
        self.assert_stored(Seller.objects.get())
        client.post(url, {"name": "Grace", "photo-clear": "on"})
        self.assert_nothing_stored(Seller.objects.get())
        client.post(url, {"name": "Grace", "photo": draw("plum")})
        client.post(f"/admin/market/seller/{seller.pk}/delete/", {"post": "yes"})
        self.assertEqual(self.list_files(), [])


class CopyTests(Case):
    def test_a_stale_copy_brings_no_old_name_back(self):
        seller = Seller.objects.create(name="Ada", photo=draw())
        stale = Seller.objects.get()
        seller.photo.save("any name", draw("plum"))
        stale.name = "Grace"
        stale.save()
        self.assertEqual(Seller.objects.get().name, "Grace")
        self.assert_stored(stale)

    def test_a_stale_copy_without_a_picture_removes_none(self):
        seller = Seller.objects.create(name="Ada")
        stale = Seller.objects.get()
        seller.photo.save("any name", draw())
        stale.photo = ""
        stale.save()
        self.assert_stored(stale)

    def test_a_copy_that_was_read_again(self):
        seller = Seller.objects.create(name="Ada", photo=draw())
        stale = Seller.objects.get()
        seller.photo.save("any name", draw("plum"))
        stale.refresh_from_db()
        self.assert_stored(stale)
        stale.save()
        self.assert_stored(stale)

    def test_a_copy_without_the_column(self):
        seller = Seller.objects.create(name="Ada", photo=draw())
        copy = Seller.objects.only("name").get()
        copy.name = "Grace"
        copy.save()
        self.assert_stored(seller)
        self.assertEqual(copy.photo.name, seller.photo.name)

    def test_a_copy_without_the_column_removes_the_picture(self):
        Seller.objects.create(name="Ada", photo=draw())
        copy = Seller.objects.only("name").get()
        copy.photo = ""
        copy.save()
        self.assert_nothing_stored(copy)

    def test_a_copied_object_with_a_new_picture(self):
        seller = Seller.objects.create(name="Ada", photo=draw())
        seller.pk, seller.photo = None, draw("plum")
        seller.save()
        self.assertEqual(Seller.objects.count(), 2)
        self.assertEqual(len(self.list_files()), 10)

    def test_the_name_of_another_rows_file(self):
        ada = Seller.objects.create(name="Ada", photo=draw())
        grace = Seller.objects.create(name="Grace")
        for value in (ada.photo, ada.photo.name):
            with self.assertRaises(ValueError):
                grace.photo = value
                grace.save()
        with self.assertRaises(ValueError):
            Seller.objects.create(name="Grace", photo=ada.photo.name)
        ada.pk = None  # Django's way to copy a row.
        with self.assertRaises(ValueError):
            ada.save()
        self.assertEqual(Seller.objects.count(), 2)

    def test_the_picture_of_another_row_is_copied_by_its_file(self):
        ada = Seller.objects.create(name="Ada", photo=draw())
        with ada.photo.open() as file:
            Seller.objects.create(name="Grace", photo=file.file)
        self.assertEqual(len(self.list_files()), 10)

    def test_bulk_methods(self):
        with self.assertRaises(ValueError):
            Seller.objects.bulk_create([Seller(name="Ada", photo=draw())])
        Seller.objects.bulk_create([Seller(name="Ada")])
        seller = Seller.objects.get()
        seller.photo = draw()
        for names in (["photo"], ["photo", "name"]):
            with self.assertRaises(ValueError):
                Seller.objects.bulk_update([seller], names)
        Seller.objects.bulk_update([seller], ["name"])
        self.assertEqual(self.list_files(), [])

    def test_a_fixture_writes_the_column_as_it_is(self):
        seller = Seller.objects.create(name="Ada", photo=draw())
        name, dump = seller.photo.name, io.StringIO()
        call_command("dumpdata", "market.seller", stdout=dump)
        file = self.folder / "sellers.json"
        file.write_text(dump.getvalue())
        for _ in range(2):  # Over the row, and as a new one.
            call_command("loaddata", file, verbosity=0)
            self.assertEqual(Seller.objects.get().photo.name, name)
            Seller.objects.all()._raw_delete(using="default")


class DeletionTests(Case):
    def test_a_row(self):
        Seller.objects.create(name="Ada", photo=draw()).delete()
        self.assertEqual(self.list_files(), [])

    def test_many_rows(self):
        for name in ("Ada", "Grace"):
            Seller.objects.create(name=name, photo=draw())
        Seller.objects.all().delete()
        self.assertEqual(self.list_files(), [])

    def test_a_cascade(self):
        user = User.objects.create(username="ada")
        Buyer.objects.create(user=user, photo=draw())
        User.objects.all().delete()
        self.assertEqual(self.list_files(), [])

    def test_a_deletion_that_is_rolled_back(self):
        seller = Seller.objects.create(name="Ada", photo=draw())
        with transaction.atomic():
            Seller.objects.all().delete()
            transaction.set_rollback(True)
        self.assert_stored(seller)

    def test_a_stale_copy_and_one_without_the_column(self):
        for columns in ([], ["name"]):
            seller = Seller.objects.create(name="Ada", photo=draw())
            copy = Seller.objects.only(*columns).get()
            seller.photo.save("any name", draw("plum"))
            copy.delete()
            self.assertEqual(self.list_files(), [])

    def test_a_child_that_leaves_its_parent(self):
        child = Wholesaler.objects.create(name="Ada", photo=draw(), tons=3)
        child.delete(keep_parents=True)
        self.assert_stored(Seller.objects.get())

    def test_a_row_with_a_file_that_was_not_saved(self):
        unlucky = self.folder / "media" / "me.jpg"
        unlucky.parent.mkdir(exist_ok=True)
        unlucky.write_bytes(b"of somebody else")
        seller = Seller.objects.create(name="Ada", photo=draw())
        seller.photo = draw()
        seller.delete()
        self.assertEqual(self.list_files(), ["me.jpg"])


class InheritanceTests(Case):
    def test_a_proxy_and_a_child_of_the_model(self):
        for model, more in ((Trader, {}), (Wholesaler, {"tons": 3})):
            row = model.objects.create(name="Ada", photo=draw(), **more)
            self.assert_stored(row)
            row.photo = draw("plum")
            row.save()
            self.assert_stored(row)
            row.delete()
            self.assertEqual(self.list_files(), [])

    def test_a_child_of_an_abstract_model(self):
        order = Order.objects.create(photo=draw())
        self.assert_stored(order)
        self.assertTrue(order.photo.name.startswith("sellers/orders/"))


class WhoMaySeeTests(Case):
    def setUp(self):
        super().setUp()
        self.ada = User.objects.create(username="ada")
        self.buyer = Buyer.objects.create(user=self.ada, photo=draw())

    def get(self, url, user=None):
        client = Client()
        if user:
            client.force_login(user)
        response = client.get(url)
        response.close()
        return response.status_code

    def test_a_protected_picture_is_served_to_those_who_may_see_it(self):
        url = self.buyer.photo.url
        self.assertTrue(url.startswith("/media/protected/buyers/"))
        self.assertEqual(self.get(url, self.ada), 200)
        self.assertEqual(self.get(url), 404)
        self.assertEqual(self.get(url, User.objects.create(username="grace")), 404)

    def test_a_picture_moves_with_who_may_see_it(self):
        for is_public, folder in ((True, "buyers/"), (False, "protected/buyers/")):
            old = self.buyer.photo.url
            self.buyer.is_public = is_public
            self.buyer.save(update_fields=["is_public"])
            self.assertTrue(self.buyer.photo.name.startswith(folder))
            self.assert_stored(self.buyer)
            self.assertEqual(self.get(old, self.ada), 404)
            self.assertEqual(self.get(self.buyer.photo.url), 200 if is_public else 404)

    def test_a_new_picture_of_a_hidden_row_is_never_public(self):
        self.buyer.is_public = True
        self.buyer.save()
        self.buyer.is_public, self.buyer.photo = False, draw("plum")
        shutil.rmtree(self.folder / "media")
        self.buyer.save()
        self.assertFalse((self.folder / "media").exists())
        self.assert_stored(self.buyer)

    def test_a_protected_picture_is_read_from_its_own_storage(self):
        with self.buyer.photo.open() as file:
            self.assertEqual(file.read()[:4], b"RIFF")
        seller = Seller.objects.create(name="Ada")
        seller.photo.save("any name", Buyer.objects.get().photo)
        self.assertTrue(seller.photo.name.startswith("sellers/"))

    def test_a_row_without_a_picture_is_not_moved(self):
        buyer = Buyer.objects.create(user=User.objects.create(username="grace"))
        with self.assertNumQueries(2):
            buyer.save()

    def test_a_stale_copy_hides_a_picture_that_it_does_not_know(self):
        Buyer.objects.all().delete()
        buyer = Buyer.objects.create(user=self.ada, is_public=True)
        stale = Buyer.objects.get()
        buyer.photo.save("any name", draw())
        stale.is_public = False
        stale.save()
        self.assertTrue(stale.photo.name.startswith("protected/"))
        self.assert_stored(stale)

    def test_a_copy_without_the_column_hides_the_picture(self):
        self.buyer.is_public = True
        self.buyer.save()
        copy = Buyer.objects.only("is_public").get()
        copy.is_public = False
        copy.save()
        self.assertTrue(copy.photo.name.startswith("protected/"))
        self.assert_stored(copy)

    def test_a_hidden_picture_is_in_no_folder_that_is_served(self):
        self.assertFalse((self.folder / "media").exists())

    def test_a_row_that_is_changed_without_save(self):
        Buyer.objects.update(is_public=True)
        self.buyer.photo.replace()
        self.assertEqual(self.get(self.buyer.photo.url), 200)

    def test_a_public_picture_is_served_to_everybody(self):
        seller = Seller.objects.create(name="Ada", photo=draw())
        self.assertEqual(self.get(seller.photo.url), 200)
        self.assertEqual(self.get(seller.photo.url_for("256.jpg")), 200)


class TemplateTests(Case):
    def show(self, text, seller):
        template = Template("{% load avatars %}" + text)
        return template.render(Context({"seller": seller}))

    def test_a_picture_and_none(self):
        seller = Seller.objects.create(name="Ada Lovelace")
        self.assertIn(">AL</text>", self.show("{% avatar seller size=96 %}", seller))
        line = '<img src="{{ seller.photo.url }}" alt="">'
        self.assertIn("/static/pictures/placeholder.svg", self.show(line, seller))
        seller.photo.save("any name", draw())
        self.assertIn(f'src="/media/{seller.photo.name}"', self.show(line, seller))
        for tag in ("{% avatar seller size=96 %}", "{% avatar seller.photo %}"):
            self.assertIn(f"{seller.photo.url_for('128.webp')} 128w", self.show(tag, seller))


class FormerImageFieldTests(Case):
    def setUp(self):
        super().setUp()
        self.file = self.folder / "media" / "sellers" / "me.jpg"
        self.file.parent.mkdir(parents=True)
        self.file.write_bytes(draw().read())
        self.seller = Seller.objects.create(name="Ada")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE market_seller SET photo = 'sellers/me.jpg'")
        self.seller.refresh_from_db()

    def test_its_file_is_shown_as_it_is(self):
        self.assertEqual(self.seller.photo.url, "/media/sellers/me.jpg")
        text = Template("{% load avatars %}{% avatar seller %}")
        tag = text.render(Context({"seller": self.seller}))
        self.assertIn('src="/media/sellers/me.jpg"', tag)
        self.assertNotIn("srcset", tag)
        self.seller.name = "Grace"
        self.seller.save()
        self.assertEqual(self.list_files(), ["me.jpg"])
        output = io.StringIO()
        call_command("audit_media", older_than=0, delete_orphans=True, stdout=output)
        self.assertIn("1 files, 0 orphans", output.getvalue())

    def test_it_is_taken_over(self):
        call_command("rebuild_avatars", stdout=io.StringIO())
        self.seller.refresh_from_db()
        self.assert_stored(self.seller)

    def test_it_is_replaced(self):
        self.seller.photo.save("any name", draw())
        self.assert_stored(self.seller)

    def test_it_is_removed(self):
        self.seller.photo.delete()
        self.assert_nothing_stored(self.seller)


class CommandTests(Case):
    def test_the_audit_knows_every_model(self):
        ada = User.objects.create(username="ada")
        Seller.objects.create(name="Ada", photo=draw())
        Buyer.objects.create(user=ada, photo=draw())
        Order.objects.create(photo=draw())
        stray = self.folder / "protected" / "protected" / "buyers" / "stray.webp"
        stray.write_bytes(b"RIFF")
        output = io.StringIO()
        call_command("audit_media", older_than=0, delete_orphans=True, stdout=output)
        self.assertEqual(
            output.getvalue().splitlines(),
            ["orphan    protected/buyers/stray.webp", "16 files, 1 orphans deleted."],
        )
        self.assertEqual(len(self.list_files()), 15)

    def test_a_rebuild_knows_every_model(self):
        ada = User.objects.create(username="ada")
        rows = [Seller.objects.create(photo=draw()), Buyer.objects.create(user=ada, photo=draw())]
        output = io.StringIO()
        call_command("rebuild_avatars", stdout=output)
        self.assertIn("2 avatars", output.getvalue())
        for row in rows:
            self.assertNotEqual(type(row).objects.get().photo.name, row.photo.name)
        self.assertEqual(len(self.list_files()), 10)
