"""People, tokens, the audit trail and one's own page, in a browser: what a person does, in both languages."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.console.served import PASSWORD


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_sign_in_page_has_no_serious_fault(visit, theme):
    visitor = visit(language="zh", theme=theme)
    visitor.go("/campaigns?state=running")
    visitor.shoot(f"sign-in-zh-{theme}")
    assert not visitor.faults()


def test_a_person_signs_in_goes_where_they_wanted_and_signs_out(visit):
    visitor = visit()
    page = visitor.go("/people")
    expect(page.get_by_label("Name")).to_be_focused()
    page.get_by_label("Name").fill("ann")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    expect(page.get_by_label("Password")).to_be_focused()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_title("People · dispatcher")
    page.get_by_role("button", name="Sign out").first.click()
    expect(page).to_have_title("Sign in · dispatcher")
    page.goto(visitor.served.url + "/people")
    expect(page).to_have_title("Sign in · dispatcher")


def test_a_person_is_added_by_a_link_and_sets_the_password(visit):
    visitor = visit("ann")
    page = visitor.go("/people")
    page.get_by_role("button", name="Add a person").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("lin")
    dialog.get_by_label("Role").select_option("operator")
    visitor.shoot("people-add-en")
    dialog.get_by_role("button", name="Add").click()
    link = page.locator("#link").inner_text()
    assert link.startswith(f"{visitor.served.url}/link/"), "it is whole, to be sent as it is"
    link = link.removeprefix(visitor.served.url)

    new = visit(language="zh")
    page = new.go(link)
    expect(page.locator("h1")).to_have_text("设置 lin 的密码")
    page.get_by_label("密码", exact=False).first.fill(PASSWORD)
    page.get_by_label("再次输入密码").fill(PASSWORD + "!")
    page.get_by_role("button", name="设置密码并登录").click()
    expect(page.get_by_role("alert")).to_have_text("两次输入的密码不一致。")
    page.get_by_label("密码", exact=False).first.fill(PASSWORD)
    page.get_by_label("再次输入密码").fill(PASSWORD)
    page.get_by_role("button", name="设置密码并登录").click()
    expect(page.get_by_role("link", name="lin")).to_be_visible()
    page.goto(new.served.url + link)
    expect(page.locator("h1")).to_have_text("此链接无效")


def test_a_role_is_changed_and_a_person_is_removed_after_their_name_is_typed(visit):
    visitor = visit("ann")
    visitor.served.add_person("max", "viewer")
    page = visitor.go("/people")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="max"))
    row.get_by_role("combobox").select_option("approver")
    row.get_by_role("button", name="Change").click()
    expect(page.get_by_role("status")).to_have_text(re.compile("max is approver now."))
    row.get_by_role("button", name="Remove").click()
    dialog = page.get_by_role("dialog")
    remove = dialog.get_by_role("button", name="Remove")
    expect(remove).to_be_disabled()
    dialog.get_by_label("Type max to confirm").fill("max")
    remove.click()
    expect(page.get_by_role("status")).to_have_text(re.compile("max is removed"))
    expect(page.get_by_role("rowheader", name="max")).to_have_count(0)


def test_the_only_administrator_is_told_why_they_stay(visit):
    visitor = visit("ann")
    page = visitor.go("/people")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="ann"))
    row.get_by_role("combobox").select_option("viewer")
    row.get_by_role("button", name="Change").click()
    expect(page.get_by_role("alert")).to_have_text(re.compile("only administrator"))


def test_a_token_is_shown_once_and_revoked(visit):
    visitor = visit("ann")
    page = visitor.go("/people")
    page.get_by_role("button", name="Make a token").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name of the person or system").fill("crm")
    dialog.get_by_label("see campaigns and their figures").check()
    dialog.get_by_role("button", name="Make").click()
    secret = page.locator("#token").inner_text()
    assert visitor.served.site._people.caller_of_token(secret).name == "crm"
    page = visitor.go("/people")
    expect(page.locator("body")).not_to_contain_text(secret)
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("status")).to_have_text(re.compile("of crm is revoked"))
    assert visitor.served.site._people.caller_of_token(secret) is None


def test_who_did_what_is_searched(visit):
    visitor = visit("ann")
    page = visitor.go("/people")
    page.get_by_role("button", name="Add a person").click()
    page.get_by_role("dialog").get_by_label("Name").fill("ute")
    page.get_by_role("dialog").get_by_role("button", name="Add").click()
    page.get_by_role("button", name="Who did what").click()
    page.get_by_label("Search").fill("people/add")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("row").nth(1)).to_contain_text("add a person")
    expect(page.get_by_role("row").nth(1)).to_contain_text("ute is added as viewer.")
    page.get_by_label("Search").fill("no such thing")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("Nothing found.")).to_be_visible()


def test_who_may_not_sees_neither_the_page_nor_its_line_in_the_menu(visit):
    visitor = visit("vera")
    page = visitor.go("/me")
    expect(page.get_by_role("link", name="People")).to_have_count(0)
    page.goto(visitor.served.url + "/people")
    expect(page.locator("h1")).to_have_text("Not allowed")


def test_the_menu_opens_on_a_phone_and_the_switches_work(visit):
    visitor = visit("ann", phone=True)
    page = visitor.go("/people")
    settings = page.get_by_role("link", name="Settings")
    expect(settings).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    visitor.shoot("menu-phone")
    expect(settings).to_be_visible()
    page.get_by_role("link", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="中文").click()
    expect(page.locator("h1")).to_have_text("人员")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")


def test_one_changes_one_s_own_password(visit):
    visitor = visit("olga")
    page = visitor.go("/me")
    page.get_by_label("Old password").fill("wrong")
    page.get_by_label("New password").fill("blue horses 8")
    page.get_by_label("The password again").fill("blue horses 8")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("alert")).to_have_text("The old password is wrong.")
    page.get_by_label("Old password").fill(PASSWORD)
    page.get_by_label("New password").fill("blue horses 8")
    page.get_by_label("The password again").fill("blue horses 8")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_text("The password is changed.")).to_be_visible()


def test_settings_show_the_configuration_without_secrets(visit):
    visitor = visit("ann")
    page = visitor.go("/settings")
    for summary in page.locator("summary").all():
        summary.click()
    shown = page.locator("main").inner_text()
    assert "[account.spring]" in shown
    assert "500 messages per 1 s" in shown or "flow.limit" in shown
    assert "secret-of-the-vendor" not in page.content()
    assert "spring-key" not in page.content()
    assert "answers in" in shown
