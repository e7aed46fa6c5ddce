from django.test import Client

from profiles.models import User


def test_the_newest_people_with_pictures_are_on_the_home_page(ada: User, client: Client) -> None:
    page = client.get("/").content.decode()
    assert "Ada Lovelace" in page
    assert ada.profile.avatar.url_for("256.webp") in page
