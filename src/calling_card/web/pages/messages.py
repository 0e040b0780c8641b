"""Every text that people read on our pages: a row each, in English and Japanese."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from calling_card.protocol.card.languages import choose

LANGUAGES = ("en", "ja")
"""What the pages speak; the first one for readers of none of them."""


@dataclass(frozen=True, slots=True)
class Row:
    """One text; ``{name}`` is where a value goes, the same ones in each language."""

    en: str
    ja: str


MESSAGES: Mapping[str, Row] = MappingProxyType(
    {
        # ── Everywhere ───────────────────────────────────────────────────────────────────────────────────────────────
        "date": Row("{year:04}-{month:02}-{day:02}", "{year}年{month}月{day}日"),
        "title": Row("{heading} · {host}", "{heading} · {host}"),
        "title_problem": Row("Problem: {heading}", "エラー：{heading}"),
        "quoted": Row("“{text}”", "「{text}」"),
        # ── The card of an application ───────────────────────────────────────────────────────────────────────────────
        "card.heading": Row("Who is asking", "アクセスを求めているアプリ"),
        "card.comes_from": Row("Comes from", "アプリの公開元"),
        "card.goes_to": Row("Access goes to", "アクセス権の送り先"),
        "card.device": Row("this device", "この端末"),
        "card.developed": Row("in development", "開発中"),
        "card.name": Row("Name", "名前"),
        "card.calls_itself": Row("It calls itself", "アプリが名乗る名前"),
        "card.nameless": Row("An application without a name", "名前のないアプリ"),
        "card.identifier": Row("Its identifier", "アプリの識別子"),
        "card.introduced": Row(
            "Introduced itself on {date}, not verified by anyone.",
            "{date}に自ら登録したアプリです。名前などの内容は、誰も確認していません。",
        ),
        "card.published": Row(
            "Published by {host}, not checked by anyone. First seen here on {date}.",
            "アプリの情報は {host} が公開しているもので、誰も確認していません。このサーバーで初めて使われた日：{date}",
        ),
        "card.unpublished": Row(
            "Published by nobody, checked by nobody. First seen here on {date}.",
            "アプリの情報は公開されておらず、誰も確認していません。このサーバーで初めて使われた日：{date}",
        ),
        "card.changed": Row("Last changed on {date}.", "最後に変更された日：{date}"),
        "card.invitation": Row(
            "Let in on {date} by an invitation of this server’s operator.",
            "{date}に、このサーバーの管理者の招待により登録されたアプリです。",
        ),
        "card.statement": Row(
            "Vouched for by {voucher}. Introduced itself on {date}.",
            "{voucher} が保証するアプリです。{date}に自ら登録しました。",
        ),
        "card.operator": Row("Set up on {date} by this server’s operator.", "{date}に、このサーバーの管理者が登録したアプリです。"),
        "card.loopback": Row(
            "An application on this device will get the access: go on only if you just started it.",
            "この端末上のアプリがアクセス権を受け取ります。ご自身でたった今起動したアプリの場合にのみ、続けてください。",
        ),
        "card.private": Row(
            "Whichever application on this device opens addresses that begin with {scheme} will get the access: "
            "go on only if you just started it.",
            "{scheme} で始まるアドレスを開く、この端末上のアプリがアクセス権を受け取ります。"
            "ご自身でたった今起動したアプリの場合にのみ、続けてください。",
        ),
        "card.elsewhere": Row(
            "The access goes to {redirect}, not to {host}. Go on only if you know that the two belong together.",
            "アクセス権は、公開元の {host} ではなく {redirect} に送られます。両者の関係をご存じの場合にのみ、続けてください。",
        ),
        "card.in_development": Row(
            "Somebody is still working on this application. Go on only if you are testing it.",
            "まだ開発中のアプリです。ご自身で動作を試している場合にのみ、続けてください。",
        ),
        "doubt.host": Row(
            "{host} looks like {known}, but is somebody else’s. If you meant {known}, go no further.",
            "{host} は {known} に似ていますが、別のサイトです。{known} のつもりだった場合は、先に進まないでください。",
        ),
        "doubt.name": Row(
            "It has the name of an application of {known}, but comes from {host}. Go on only if you know who made it.",
            "{known} のアプリの名前を名乗っていますが、{host} のアプリです。作成者をご存じの場合にのみ、続けてください。",
        ),
        "doubt.letters": Row(
            "{host} is shown as computers write it: in its own letters it could be mistaken for another one.",
            "{host} は、紛らわしい文字を含むため、コンピューター用の表記で示しています。",
        ),
        "card.links": Row("Its own pages, on other sites", "アプリが案内する外部のページ"),
        "link.client_uri": Row("Website", "ウェブサイト"),
        "link.policy_uri": Row("Privacy policy", "プライバシーポリシー"),
        "link.tos_uri": Row("Terms of use", "利用規約"),
        "link_other": Row("Page", "ページ"),
        # ── Sign-in ──────────────────────────────────────────────────────────────────────────────────────────────────
        "sign_in.heading": Row("Sign in", "ログイン"),
        "sign_in.heading_switch": Row("Use another account", "別のアカウントでログイン"),
        "sign_in.for_account": Row(
            "Then you can see and change what applications may do in your name.",
            "ログインすると、アプリに許可した内容を確認・変更できます。",
        ),
        "sign_in.for_client": Row(
            "An application asks you to sign in here. It never sees your password.",
            "アプリがここでのログインを求めています。パスワードがアプリに知られることはありません。",
        ),
        "sign_in.name": Row("User name", "ユーザー名"),
        "sign_in.password": Row("Password", "パスワード"),
        "sign_in.submit": Row("Sign in", "ログイン"),
        "sign_in.or": Row("or", "または"),
        "sign_in.passkey": Row("Sign in with a passkey", "パスキーでログイン"),
        "sign_in.passkey_unused": Row(
            "No passkey was used. Try again, or sign in with your password.",
            "パスキーは使用されませんでした。もう一度試すか、パスワードでログインしてください。",
        ),
        "sign_in.forgotten": Row(
            "Forgotten your password? Ask the people who run this server.",
            "パスワードをお忘れの場合は、このサーバーの管理者にお問い合わせください。",
        ),
        # ── Consent ──────────────────────────────────────────────────────────────────────────────────────────────────
        "consent.heading": Row("Allow this application?", "このアプリを許可しますか？"),
        "consent.lead": Row(
            "Look at who is asking. Allow it only if you started this yourself.",
            "アクセスを求めている相手をご確認ください。ご自身で始めた操作の場合にのみ許可してください。",
        ),
        "consent.again": Row(
            "Something changed while the page was open: the application, or who is signed in. Please look again.",
            "このページを開いている間に、アプリの情報またはログイン中のアカウントが変わりました。もう一度ご確認ください。",
        ),
        "consent.changed": Row(
            "This application changed since you last allowed it. Please look again.",
            "前回許可したときから、このアプリの情報が変わりました。もう一度ご確認ください。",
        ),
        "consent.waits": Row(
            "The people who run this server have not approved this application yet. You can try it, because you registered it "
            "or they asked you to.",
            "このアプリは、サーバーの管理者による承認を待っています。あなたは、アプリの登録者またはテスト担当者として試すことができます。",
        ),
        "consent.asks": Row("It asks to", "アプリが求めていること"),
        "consent.strong": Row("Think twice about", "特にご注意いただきたいこと"),
        "consent.nothing": Row("It asks for nothing in particular.", "特に求めていることはありません。"),
        "consent.use": Row("Use: {scope}", "利用：{scope}"),
        "consent.resources": Row("To be used at", "利用先のサービス"),
        "consent.person": Row("You are signed in as {person}.", "{person} としてログインしています。"),
        "consent.switch": Row("Use another account", "別のアカウントを使う"),
        "consent.remember": Row("Do not ask me again for this application", "このアプリについて、次回から確認しない"),
        "consent.cancel": Row("Cancel", "キャンセル"),
        "consent.allow": Row("Allow", "許可する"),
        "consent.later": Row("You can withdraw it at any time on your account page.", "許可は、アカウントのページでいつでも取り消せます。"),
        "scope.openid": Row("Know that it is you", "あなた本人であることの確認"),
        "scope.profile": Row("See your profile, such as your name and picture", "プロフィール（名前や写真など）の閲覧"),
        "scope.email": Row("See your email address", "メールアドレスの閲覧"),
        "scope.phone": Row("See your phone number", "電話番号の閲覧"),
        "scope.address": Row("See your postal address", "住所の閲覧"),
        "scope.offline_access": Row("Keep access while you are away", "あなたが利用していない間もアクセスを続けること"),
        # ── Account ──────────────────────────────────────────────────────────────────────────────────────────────────
        "account.heading": Row("Your account", "アカウント"),
        "account.person": Row("Signed in as {person}", "{person} としてログイン中"),
        "account.name": Row("User name: {name}", "ユーザー名：{name}"),
        "account.sign_out": Row("Sign out", "ログアウト"),
        "account.allowed": Row("Applications", "アプリ"),
        "account.allowed_lead": Row(
            "You allowed these to act in your name. Their access ends when you withdraw it.",
            "あなたに代わって操作することを許可したアプリです。取り消すと、アクセスは終了します。",
        ),
        "account.allowed_none": Row("You have not allowed any application.", "許可したアプリはありません。"),
        "account.allowed_since": Row("Allowed on {date}", "許可した日：{date}"),
        "account.last_used": Row("Last used on {date}", "最後に使われた日：{date}"),
        "account.never_used": Row("Not used yet", "まだ使われていません"),
        "account.withdraw": Row("Withdraw access", "許可を取り消す"),
        "account.sessions": Row("Where you are signed in", "ログイン中のブラウザ"),
        "account.sessions_none": Row("You are signed in nowhere.", "ログイン中のブラウザはありません。"),
        "account.this_browser": Row("This browser", "このブラウザ"),
        "account.browser_unknown": Row("A browser that does not say its name", "名前のわからないブラウザ"),
        "account.session_since": Row("Signed in on {date}", "ログインした日：{date}"),
        "account.end_session": Row("Sign out there", "ログアウトさせる"),
        "account.elsewhere": Row("Sign out everywhere else", "ほかのブラウザをすべてログアウトさせる"),
        "account.ways": Row("How you sign in", "ログイン方法"),
        "account.passkeys": Row("Passkeys", "パスキー"),
        "account.passkeys_lead": Row(
            "With a passkey you sign in by fingerprint, face or the PIN of your device.",
            "パスキーを使うと、指紋や顔、端末のPINでログインできます。",
        ),
        "account.passkeys_none": Row("You have no passkey yet.", "パスキーはまだありません。"),
        "account.passkey_nameless": Row("Passkey without a name", "名前のないパスキー"),
        "account.passkey_since": Row("Added on {date}", "追加した日：{date}"),
        "account.passkey_remove": Row("Remove", "削除"),
        "account.passkey_label": Row("Name of the new passkey", "新しいパスキーの名前"),
        "account.passkey_label_hint": Row(
            "Your choice, for example the device it is kept on.", "保存する端末の名前など、自由に付けられます。"
        ),
        "account.passkey_add": Row("Add a passkey", "パスキーを追加"),
        "account.passkey_unused": Row(
            "No passkey was made. You can try again.", "パスキーは作成されませんでした。もう一度お試しください。"
        ),
        "account.passkey_unable": Row(
            "To add one, use a browser that knows passkeys and has JavaScript switched on.",
            "追加するには、パスキーに対応したブラウザで JavaScript を有効にしてください。",
        ),
        "account.password": Row("Password", "パスワード"),
        "account.password_none": Row("You have no password. You can set one.", "パスワードは設定されていません。ここで設定できます。"),
        "account.current": Row("Current password", "現在のパスワード"),
        "account.new": Row("New password", "新しいパスワード"),
        "account.new_hint": Row(
            "At least {shortest} characters. A few words that have nothing to do with each other are good.",
            "{shortest}文字以上。互いに関係のない単語をいくつか並べるのがおすすめです。",
        ),
        "account.again": Row("New password once more", "新しいパスワード（確認）"),
        "account.password_change": Row("Change password", "パスワードを変更"),
        "account.password_set": Row("Set password", "パスワードを設定"),
        # ── What was just done ───────────────────────────────────────────────────────────────────────────────────────
        "done.withdrawn": Row("The access is withdrawn.", "許可を取り消しました。"),
        "done.session_ended": Row("That browser is signed out.", "そのブラウザをログアウトさせました。"),
        "done.sessions_ended": Row("All other browsers are signed out.", "ほかのブラウザをすべてログアウトさせました。"),
        "done.password_changed": Row("Your password is changed.", "パスワードを変更しました。"),
        "done.passkey_added": Row("The passkey is added.", "パスキーを追加しました。"),
        "done.passkey_removed": Row("The passkey is removed.", "パスキーを削除しました。"),
        "done_other": Row("Done.", "完了しました。"),
        # ── What went wrong on a form ────────────────────────────────────────────────────────────────────────────────
        "problem.sign_in_failed": Row(
            "User name and password do not fit together. Please try again.",
            "ユーザー名とパスワードの組み合わせが正しくありません。もう一度お試しください。",
        ),
        "problem.throttled": Row(
            "There were too many tries. Please wait a little, then try again.",
            "試行回数が多すぎます。しばらく待ってから、もう一度お試しください。",
        ),
        "problem.busy": Row(
            "The server is busy. Please try again in a moment.", "サーバーが混み合っています。少し待ってから、もう一度お試しください。"
        ),
        "problem.passkey_failed": Row(
            "The passkey did not work. Please try again.", "パスキーを確認できませんでした。もう一度お試しください。"
        ),
        "problem.page_expired": Row(
            "The page was open for too long. Please try again.", "ページの有効期限が切れました。もう一度お試しください。"
        ),
        "problem.password_too_short": Row(
            "The new password is too short. Please choose a longer one.",
            "新しいパスワードが短すぎます。もっと長いパスワードを選んでください。",
        ),
        "problem.password_too_long": Row(
            "The new password is too long. Please choose a shorter one.",
            "新しいパスワードが長すぎます。もっと短いパスワードを選んでください。",
        ),
        "problem.password_wrong": Row("The current password is not right.", "現在のパスワードが正しくありません。"),
        "problem.password_same": Row(
            "The two new passwords are not the same. Please type them again.",
            "新しいパスワードが確認用と一致しません。もう一度入力してください。",
        ),
        "problem.last_way": Row(
            "This is your last way to sign in. Set a password or add another passkey first.",
            "これを削除するとログインできなくなります。先にパスワードを設定するか、別のパスキーを追加してください。",
        ),
        "problem_other": Row("That did not work. Please try again.", "処理できませんでした。もう一度お試しください。"),
        # ── The error page ───────────────────────────────────────────────────────────────────────────────────────────
        "heading.not_found": Row("Not found", "ページが見つかりません"),
        "heading.server_error": Row("Something went wrong here", "サーバーでエラーが発生しました"),
        "heading.temporarily_unavailable": Row("Not just now", "現在ご利用いただけません"),
        "heading.page_expired": Row("This page is too old", "ページの有効期限が切れています"),
        "heading.access_denied": Row("Not allowed", "許可されていません"),
        "heading.waits": Row("Not approved yet", "まだ承認されていません"),
        "heading_other": Row("This cannot go on", "続行できません"),
        "failure.back": Row("Back to {client}", "{client}に戻る"),
        "failure.developers": Row("For developers", "開発者の方へ"),
        "failure.code": Row("Code", "コード"),
        "failure.description": Row("Reason", "理由"),
        "failure.reference": Row("Reference", "照会番号"),
        "error.invalid_request": Row(
            "The application that sent you here asked in a way that does not work. You can only go back and tell its makers.",
            "アプリからの要求に誤りがあるため、続行できません。アプリに戻り、提供元にお知らせください。",
        ),
        "error.invalid_redirect_uri": Row(
            "The application wants the answer at an address that it has not registered. To protect you, we do not send it there.",
            "アプリが指定した送り先は、登録されたものではありません。安全のため、送信を中止しました。",
        ),
        "error.invalid_client_metadata": Row(
            "What the application says of itself cannot be accepted. Only its makers can put that right.",
            "アプリが示している情報に問題があるため、受け付けられません。アプリの提供元にお知らせください。",
        ),
        "error.invalid_software_statement": Row(
            "What others say of the application cannot be accepted. Only its makers can put that right.",
            "アプリについての証明に問題があるため、受け付けられません。アプリの提供元にお知らせください。",
        ),
        "error.unapproved_software_statement": Row(
            "What others say of the application does not count here. Only its makers can put that right.",
            "アプリについての証明は、このサーバーでは認められていません。アプリの提供元にお知らせください。",
        ),
        "error.invalid_grant": Row(
            "What the application presented is used up or no longer valid. Please start again there.",
            "アプリが提示した情報は使用済みか、無効になっています。アプリからもう一度やり直してください。",
        ),
        "error.unauthorized_client": Row(
            "The application is not registered for what it asks.",
            "アプリは、この操作を行うための登録がされていません。",
        ),
        "error.unsupported_grant_type": Row(
            "The application asks for a kind of access that this server does not offer.",
            "アプリが求めているアクセスの種類には、このサーバーは対応していません。",
        ),
        "error.unsupported_response_type": Row(
            "The application asks for a kind of answer that this server does not offer.",
            "アプリが求めている応答の形式には、このサーバーは対応していません。",
        ),
        "error.invalid_scope": Row(
            "Nothing of what the application asks for can be allowed here.",
            "アプリが求めている内容は、いずれもここでは許可できません。",
        ),
        "error.invalid_target": Row(
            "The application asks for access to a service that this server does not know.",
            "アプリがアクセスを求めているサービスを、このサーバーでは扱っていません。",
        ),
        "error.invalid_client": Row(
            "This server does not know the application any more, or could not read the description that it publishes. "
            "Start again there; if that does not help, tell its makers.",
            "このアプリは登録されていないか、公開されているはずのアプリの情報を読み取れませんでした。"
            "アプリからもう一度やり直してください。それでも続行できない場合は、アプリの提供元にお知らせください。",
        ),
        "error.invalid_token": Row(
            "The application’s access is not valid or has ended. Please start again there.",
            "アプリのアクセス権が無効か、終了しています。アプリからもう一度やり直してください。",
        ),
        "error.insufficient_scope": Row(
            "The application has access, but not to this.",
            "アプリに許可された範囲では、この操作はできません。",
        ),
        "error.login_required": Row("You would have to sign in first.", "先にログインが必要です。"),
        "error.consent_required": Row("You would have to allow the application first.", "先にアプリを許可する必要があります。"),
        "error.interaction_required": Row("You would have to be asked first.", "先にご本人の確認が必要です。"),
        "error.request_not_supported": Row(
            "The application asks in a form that this server does not take.",
            "アプリからの要求の形式に、このサーバーは対応していません。",
        ),
        "error.request_uri_not_supported": Row(
            "The application asks by a reference, which this server does not take.",
            "アプリが参照によって要求を送りましたが、このサーバーは対応していません。",
        ),
        "error.registration_not_supported": Row(
            "The application brings its registration along, which this server does not take.",
            "アプリが登録情報を要求に含めましたが、このサーバーは対応していません。",
        ),
        "error.access_denied": Row("This was not allowed.", "許可されませんでした。"),
        "error.waits": Row(
            "The people who run this server have to approve this application before it can be used. Try again later, or ask them.",
            "このアプリは、サーバーの管理者による承認を待っているため、まだ利用できません。しばらく待つか、管理者にお問い合わせください。",
        ),
        "error.sign_in_failed": Row(
            "Signing in did not work. Go back and try again.",
            "ログインできませんでした。戻って、もう一度お試しください。",
        ),
        "error.page_expired": Row(
            "The page was open for too long, or belongs to another browser. Please start again at the application.",
            "ページを開いてから時間が経ちすぎたか、別のブラウザで開かれたページです。アプリからもう一度やり直してください。",
        ),
        "error.cross_site": Row(
            "The form came from another site. To protect you, nothing was done.",
            "ほかのサイトから送信されたため、安全のため処理を行いませんでした。",
        ),
        "error.not_found": Row("There is nothing at this address.", "このアドレスにページはありません。"),
        "error.temporarily_unavailable": Row(
            "The server has too much to do at the moment. Please try again in a little while.",
            "サーバーが混み合っているか、一時的に停止しています。しばらく待ってから、もう一度お試しください。",
        ),
        "error.server_error": Row(
            "That was our fault. Please try again; if it stays, tell the people who run this server the reference below.",
            "サーバー側の問題です。もう一度お試しください。解決しない場合は、下の照会番号をこのサーバーの管理者にお知らせください。",
        ),
        "error.other": Row("The application’s request cannot be served.", "アプリからの要求を処理できませんでした。"),
        # ── The way out ──────────────────────────────────────────────────────────────────────────────────────────────
        "signed_out.heading": Row("You are signed out", "ログアウトしました"),
        "signed_out.lead": Row(
            "This browser is signed out here. Applications that you allowed keep their access.",
            "このブラウザからログアウトしました。アプリへの許可は、そのまま残っています。",
        ),
        "signed_out.account": Row("To your account", "アカウントのページへ"),
        "leaving.heading": Row("You are leaving this server", "外部のサイトへ移動します"),
        "leaving.lead": Row(
            "The application gave this address. We do not know what is there. Do not type your password of this server on it.",
            "これはアプリが示したアドレスで、内容は確認されていません。このサーバーのパスワードを入力しないでください。",
        ),
        "leaving.go": Row("Go to {host}", "{host} へ移動する"),
        "leaving.blocked": Row("This address cannot be opened from here.", "このアドレスはここから開けません。"),
        "onward.heading": Row("Back to the application", "アプリに戻る"),
        "onward.lead": Row(
            "The answer is ready. Opening the application hands it over.",
            "準備ができました。アプリを開くと、結果が渡されます。",
        ),
        "onward.go": Row("Open the application", "アプリを開く"),
        "onward.close": Row("If you did not start this, close the page.", "お心当たりがない場合は、このページを閉じてください。"),
        "posted.heading": Row("Back to the application", "アプリに戻る"),
        "posted.lead": Row(
            "The answer is on its way. If nothing happens, press the button.",
            "結果を送信しています。画面が変わらない場合は、ボタンを押してください。",
        ),
        "posted.go": Row("Continue", "続ける"),
    }
)
"""Message id → its text in each language."""


@cache
def texts(language: str) -> Mapping[str, str]:
    """All texts in one of our languages."""
    return MappingProxyType({id: row.ja if language == "ja" else row.en for id, row in MESSAGES.items()})


_OURS = {"language": LANGUAGES[0]} | {f"language#{language}": language for language in LANGUAGES}


def spoken(languages: Sequence[str]) -> str:
    """The one of our languages that suits a reader best, by the lookup of RFC 4647 §3.4."""
    return str(choose(_OURS, "language", languages))
