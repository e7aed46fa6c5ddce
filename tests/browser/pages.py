"""Every page in every state, by a name: for the tests, the screenshots and the audit."""

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import FilePayload, Page

from ..helpers.pictures import draw_jpeg, make_exif, make_heic
from .cast import Cast


def stay(page: Page, cast: Cast) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class State:
    """A page as somebody meets it: its address, who looks, and what they did to get there."""

    path: str
    member: str = ""
    act: Callable[[Page, Cast], None] = stay
    language: str = ""  # Else the browser's.
    script: str = ""  # What makes this browser another.
    is_plain: bool = False  # Whether the editor's script does not come.

    def open(self, page: Page, base_url: str, cast: Cast) -> None:
        """Go there, and do what leads to the state."""
        page.context.clear_cookies()
        if self.language:
            cookie = "django_language"
            page.context.add_cookies([{"name": cookie, "value": self.language, "url": base_url}])
        if self.member:
            session = cast.sessions[self.member]
            page.context.add_cookies([{"name": cast.cookie, "value": session, "url": base_url}])
        if self.script:
            page.add_init_script(self.script)
        if self.is_plain:
            page.route("**/editor.*.js", lambda route: route.abort())
        page.goto(base_url + self.path)
        self.act(page, cast)


def send(page: Page, cast: Cast) -> None:
    """Send the page's form as it is, past what the browser itself would ask for."""
    form = page.locator("main form:not([role=search])").first
    form.evaluate("form => { form.noValidate = true }")
    with page.expect_navigation():
        form.locator("button:not([type=button])").last.click()


def join_badly(page: Page, cast: Cast) -> None:
    """Ask to join with an address that is none, a short password, and another one."""
    for name, value in {
        "username": "A",
        "email": "ada",
        "password1": "x",
        "password2": "y",
    }.items():
        page.fill(f"[name={name}]", value)
    send(page, cast)


def link_badly(page: Page, cast: Cast) -> None:
    """Give a website that is none."""
    page.fill("[name=website]", "javascript:alert(1)")
    send(page, cast)


def give_password(page: Page, cast: Cast) -> None:
    """Give the right password of an account that asks for more."""
    page.fill("[name=username]", "safe")
    page.fill("[name=password]", "pass phrase")
    send(page, cast)


def give_no_code(page: Page, cast: Cast) -> None:
    """Give the password, and then nothing."""
    give_password(page, cast)
    send(page, cast)


def ask_to_remove_passkey(page: Page, cast: Cast) -> None:
    """Follow the link that removes the first passkey."""
    page.locator("main a[href*='/passkeys/'][href$='/remove/']").first.click()
    page.locator("main button.danger").wait_for()


def follow(name: str) -> Callable[[Page, Cast], None]:
    """Return a step that follows the link of a mail."""

    def act(page: Page, cast: Cast) -> None:
        page.goto(page.url.rstrip("/") + cast.links[name])

    return act


def go_to_the_end(page: Page, cast: Cast) -> None:
    """Go from page to page, as those do whose browser has no script."""
    while (link := page.locator("a[rel=next]")).count():
        page.goto(str(link.evaluate("link => link.href")))


def send_old(page: Page, cast: Cast) -> None:
    """Send a form whose cookie is gone."""
    page.context.clear_cookies()
    send(page, cast)


def upload(data: bytes) -> Callable[[Page, Cast], None]:
    """Return a step that sends a file as a picture, by the form that needs no script."""

    def act(page: Page, cast: Cast) -> None:
        choose(page, data)
        with page.expect_navigation():
            page.locator("main form").first.evaluate("form => form.submit()")
        page.get_by_role("heading", level=1).wait_for()

    return act


def choose(page: Page, data: bytes) -> None:
    """Choose a file as a picture."""
    photo: FilePayload = {"name": "IMG_0001.JPG", "mimeType": "image/jpeg", "buffer": data}
    page.locator("main [name=avatar]").set_input_files(photo)


def frame(page: Page, cast: Cast) -> None:
    """Choose a photo, and stop where it can be moved under its frame."""
    choose(page, draw_jpeg(exif=make_exif()))
    page.get_by_role("application").wait_for()


def look_into_camera(page: Page, cast: Cast) -> None:
    """Turn on the camera of the computer."""
    page.locator("[data-state=choose]").wait_for()
    # Not by a real click: on a touch screen it is not offered.
    page.locator("#use-camera").evaluate("button => button.click()")
    page.locator("#shutter").wait_for()


def frame_small(page: Page, cast: Cast) -> None:
    """Choose a photo of few pixels, and stop where the editor warns of them."""
    choose(page, draw_jpeg(100, 100))
    page.locator("#blurred").wait_for()


def keep(page: Page, cast: Cast) -> None:
    """Choose a photo that only the server can cut."""
    choose(page, make_heic())
    page.get_by_role("radio").first.wait_for()


def be_refused(page: Page, cast: Cast) -> None:
    """Choose what is no picture."""
    choose(page, b"%PDF-1.7 and so on")
    page.locator("#trouble").wait_for()


def wait_for_answer(page: Page, cast: Cast) -> None:
    """Save a picture, and wait for an answer that does not come."""
    frame(page, cast)
    page.route("**/profile/avatar/", lambda route: None)
    page.locator("#save").click()
    page.locator("#sending").wait_for()


def save(page: Page, cast: Cast) -> None:
    """Put up a picture, and stop at what the editor says of it."""
    frame(page, cast)
    page.locator("#save").click()
    page.locator("#receipt-title").wait_for()


def describe(page: Page, cast: Cast) -> None:
    """Put up a picture, and stop where it can be described."""
    save(page, cast)
    page.locator("#describe").click()
    page.locator("#id_description").wait_for()


def look_inside(page: Page, cast: Cast) -> None:
    """Switch the X-ray on."""
    page.locator("#xray-switch").click()
    page.locator("aside.xray tbody tr").first.wait_for()


def ask_to_remove(page: Page, cast: Cast) -> None:
    """Open the dialog that asks."""
    page.locator("main a[href='/profile/avatar/delete/']").click()
    page.get_by_role("dialog").wait_for()


def show(template: str) -> Callable[[Page, Cast], None]:
    """Return a step that shows a page for which something on the site would have to break."""

    def act(page: Page, cast: Cast) -> None:
        body = cast.broken[template]
        page.route("**/broken", lambda route: route.fulfill(body=body, content_type="text/html"))
        page.goto(page.url + "broken")

    return act


CAMERA = """
    const camera = { kind: "videoinput" };
    MediaDevices.prototype.enumerateDevices = async () => [camera];
    MediaDevices.prototype.getUserMedia = async () => {
        const canvas = document.createElement("canvas");
        canvas.getContext("2d").fillRect(0, 0, 150, 150);
        return canvas.captureStream();
    };
"""
CANNOT_CUT = "HTMLCanvasElement.prototype.toBlob = (done) => done(null);"
PAGES = {
    "home": State("/"),
    "list": State("/profiles/"),
    "list-last": State("/profiles/", act=go_to_the_end),
    "list-found": State("/profiles/?q=dvorak"),
    "list-nobody": State("/profiles/?q=" + "xyz" * 33),
    "person": State("/profiles/ada/"),
    "person-long": State("/profiles/long/"),
    "person-right-to-left": State("/profiles/demo-00003/"),
    "person-bare": State("/profiles/bare/"),
    "lesson": State("/how-it-works/"),
    "steps": State("/how-it-works/steps/"),
    "symptoms": State("/how-it-works/symptoms/"),
    "sign-up": State("/accounts/signup/"),
    "sign-up-refused": State("/accounts/signup/", act=join_badly),
    "sign-in": State("/accounts/login/"),
    "sign-in-refused": State("/accounts/login/", act=send),
    "reset": State("/accounts/password_reset/"),
    "reset-refused": State("/accounts/password_reset/", act=send),
    "reset-sent": State("/accounts/password_reset/done/"),
    "reset-link-broken": State("/accounts/reset/MQ/x-y/"),
    "reset-done": State("/accounts/reset/done/"),
    "second-step": State("/accounts/login/", act=give_password),
    "second-step-refused": State("/accounts/login/", act=give_no_code),
    "confirm": State("/", "long", follow("confirm")),
    "confirm-broken": State("/accounts/confirm/x/", "ada"),
    "undo": State("/", act=follow("undo")),
    "undo-broken": State("/accounts/undo/x/"),
    "not-found": State("/profiles/nobody/"),
    "bad-request": State("/profiles/?" + "q&" * 1001),
    "form-too-old": State("/accounts/login/", act=send_old),
    "forbidden": State("/", act=show("403.html")),
    "broken": State("/", act=show("500.html")),
    "too-often": State("/", act=show("429.html")),
    "outage": State("/", act=show("503.html")),
    "home-member": State("/", "ada"),
    "own": State("/profile/", "ada"),
    "own-bare": State("/profile/", "bare"),
    "own-long": State("/profile/", "long"),
    "own-saved": State("/profile/edit/", "ada", send),
    "receipt": State(
        "/profile/avatar/", "sent", upload(draw_jpeg(exif=make_exif())), is_plain=True
    ),
    "picture": State("/profile/avatar/", "ada"),
    "picture-bare": State("/profile/avatar/?welcome", "bare"),
    "picture-plain-refused": State(
        "/profile/avatar/", "ada", upload(b"%PDF-1.7 and so on"), is_plain=True
    ),
    "picture-remove": State("/profile/avatar/delete/", "ada"),
    "edit": State("/profile/edit/", "ada"),
    "edit-long": State("/profile/edit/", "long"),
    "edit-refused": State("/profile/edit/", "bare", link_badly),
    "welcome": State("/profile/edit/?welcome", "bare"),
    "account": State("/accounts/", "ada"),
    "account-bare": State("/accounts/", "bare"),
    "account-long": State("/accounts/", "long"),
    "account-safe": State("/accounts/", "safe"),
    "account-arabic": State("/accounts/", "safe", language="ar"),
    "again": State("/accounts/again/", "ada"),
    "again-refused": State("/accounts/again/", "ada", send),
    "again-code": State("/accounts/again/", "safe"),
    "app": State("/accounts/app/", "ada"),
    "app-refused": State("/accounts/app/", "ada", send),
    "app-remove": State("/accounts/app/remove/", "safe"),
    "passkey": State("/accounts/passkeys/add/", "ada"),
    "passkey-remove": State("/accounts/", "safe", ask_to_remove_passkey),
    "codes": State("/accounts/codes/", "safe"),
    "codes-made": State("/accounts/codes/", "safe", send),
    "email": State("/accounts/email/", "ada"),
    "email-refused": State("/accounts/email/", "ada", send),
    "password": State("/accounts/password_change/", "ada"),
    "password-refused": State("/accounts/password_change/", "ada", send),
    "password-done": State("/accounts/password_change/done/", "ada"),
    "sessions": State("/accounts/sessions/", "ada"),
    "sign-out-everywhere": State("/accounts/sessions/all/end/", "ada"),
    "sign-out-refused": State("/accounts/sessions/others/end/", "ada", send),
    "delete": State("/accounts/delete/", "ada"),
    "delete-refused": State("/accounts/delete/", "bare", send),
    "preferences": State("/preferences/"),
    "xray": State("/profiles/", act=look_inside),
    "picture-camera": State("/profile/avatar/", "ada", look_into_camera, script=CAMERA),
    "picture-framed": State("/profile/avatar/", "ada", frame),
    "picture-blurred": State("/profile/avatar/", "ada", frame_small),
    "picture-whole": State("/profile/avatar/", "ada", frame, script=CANNOT_CUT),
    "picture-keep": State("/profile/avatar/", "ada", keep),
    "picture-refused": State("/profile/avatar/", "ada", be_refused),
    "picture-sending": State("/profile/avatar/", "ada", wait_for_answer),
    "picture-done": State("/profile/avatar/", "sent", save),
    "picture-describe": State("/profile/avatar/", "sent", describe),
    "removal-dialog": State("/profile/", "ada", ask_to_remove),
    "home-arabic": State("/", language="ar"),
    "list-arabic": State("/profiles/?q=dvorak", language="ar"),
    "own-arabic": State("/profile/", "long", language="ar"),
    "edit-arabic": State("/profile/edit/", "ada", language="ar"),
    "picture-arabic": State("/profile/avatar/", "ada", frame, "ar"),
    "lesson-arabic": State("/how-it-works/", language="ar"),
    "steps-arabic": State("/how-it-works/steps/", language="ar"),
    "symptoms-arabic": State("/how-it-works/symptoms/", language="ar"),
    "home-german": State("/", language="de"),
    "sign-up-german": State("/accounts/signup/", act=join_badly, language="de"),
    "edit-german": State("/profile/edit/", "ada", language="de"),
    "picture-german": State("/profile/avatar/", "ada", frame, "de"),
    "lesson-german": State("/how-it-works/", language="de"),
    "steps-german": State("/how-it-works/steps/", language="de"),
    "symptoms-german": State("/how-it-works/symptoms/", language="de"),
}

# On a site on which nobody is.
EMPTY_PAGES = {
    "home-empty": State("/"),
    "list-empty": State("/profiles/"),
    "lesson-empty": State("/how-it-works/"),
}
