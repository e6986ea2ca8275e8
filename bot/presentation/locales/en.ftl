## Small pieces

about-seconds = about { $count } s
about-minutes = about { $count } min
about-hours = about { $count } h
moment = { $time } ({ $zone })
orientation-portrait = portrait
orientation-landscape = landscape
orientation-square = square
credits = { $count ->
    [one] { $count } credit
   *[other] { $count } credits
}
internal-error = Something went wrong on our side. Nothing was charged for this. Please try again; if it keeps happening, tell an admin.

## Typing commands

not-a-command = { $nearest ->
    [none] That is not a command. Commands begin with a slash: /video PROMPT makes a video, /help shows the rest.
   *[other] That is not a command. Did you mean { $nearest }? /help shows all.
}
command-unknown = { $nearest ->
    [none] There is no command /{ $name }. /help shows all.
   *[other] There is no command /{ $name }. Did you mean { $nearest }? /help shows all.
}
line-too-long = That line has { $count } characters; at most { $limit } are read.
too-much = { $command } does not take "{ $rest }". Leave it out.
option-unknown = { $nearest ->
    [none] There is no option { $option }. Options: { $all }. To use such a word in the prompt, write -- before it.
   *[other] There is no option { $option }. Did you mean { $nearest }? Options: { $all }. To use such a word in the prompt, write -- before it.
}
option-twice = { $option } is there twice. Write it once.
option-takes-nothing = { $option } takes no value. Write it alone.
option-needs-value = { $option } needs a value: { $option } { $value }.
options-exclude = { $first } and { $second } exclude each other. Write one of them.
duration-not-a-number = "{ $asked }" is not a duration. Write whole seconds, for example --duration 8.
task-missing = Which task? Write { $command } TASK; /tasks shows yours.
task-not-an-id = "{ $task }" is not a task's id. /tasks shows yours.
setting-unknown = There is no setting "{ $name }". Settings: { $all }.
setting-needs-value = What should { $name } be? Write /settings { $name } VALUE, or /settings { $name } - to clear it.
orientation-unknown = "{ $asked }" is not an orientation. Allowed: { $allowed }.
remix-needs-prompt = What should change? Write /remix { $task } and then the change.

## Making a video

prompt-empty = What should the video show? Write it behind the command: /video a red kite over the sea
prompt-too-long = The prompt has { $count } characters; { $model } takes at most { $limit }.
model-unknown = { $nearest ->
    [none] There is no model "{ $name }". Models: { $all }.
   *[other] There is no model "{ $name }". Did you mean { $nearest }? Models: { $all }.
}
model-retired = { $name } can no longer be asked for. Models: { $all }.
model-off = { $name } cannot be had at the moment. { $all ->
    [none] Please try again later.
   *[other] Please try again later, or choose another: { $all }.
}
models-none = No model can be asked for right now. Please try again later.
duration-not-allowed = { $model } makes no videos of { $asked } s. Allowed: { $allowed } s.
size-not-allowed = { $model } has no size "{ $asked }". Allowed: { $allowed }.
size-against-orientation = The size { $size } is { $really ->
    [portrait] { orientation-portrait }
    [landscape] { orientation-landscape }
   *[other] { orientation-square }
}, not { $asked ->
    [portrait] { orientation-portrait }
    [landscape] { orientation-landscape }
   *[other] { orientation-square }
}. Leave the size or the orientation out.
orientation-not-allowed = { $model } makes no { $asked ->
    [portrait] { orientation-portrait }
    [landscape] { orientation-landscape }
   *[other] { orientation-square }
} videos. Allowed: { $allowed }.
style-unknown = { $nearest ->
    [none] { $model } has no style "{ $asked }". Styles: { $all }.
   *[other] { $model } has no style "{ $asked }". Did you mean { $nearest }? Styles: { $all }.
}
style-not-possible = { $model } has no styles. Leave the style out.
image-not-possible = { $model } takes no picture. Leave it out, or choose another model: /models
image-needs-link = { $model } takes pictures only as links at the moment, and this bot has no public address to give one. Leave the picture out, or ask an admin to set PUBLIC_URL or S3_ENDPOINT.
watermark-not-possible = { $model } gives no choice about the watermark. Leave that option out.
private-not-possible = { $model } has no private videos. Leave that option out.
storyboard-not-possible = { $model } knows no storyboards. Leave that option out.
together-not-possible = { $model } cannot do all of this at once: { $wishes }. { $durations ->
    [none] { $without ->
        [none] Please ask for less.
       *[other] It could without one of these: { $without }.
    }
   *[other] With the rest it makes videos of { $durations } s.
}
image-by-path = Attach the picture itself; --image FILE works only at the console.
picture-forgotten = The picture of { $task } is no longer kept. Please send it again with /video.
image-missing = There is no file { $path }. Check the path.
image-empty = The picture is empty (0 bytes).
image-not-one = { $name } is not a picture; it looks like { $seems ->
    [text] text
    [web-page] a web page
    [pdf] a PDF
    [archive] an archive
    [video] a video
    [sound] a sound
    [program] a program
   *[data] some other data
}. JPEG, PNG, WebP, HEIC, GIF and AVIF are taken.
disk-full = There is no room for pictures on the disk right now. Nothing was charged; please try again later, or without a picture.
image-format = Pictures in the format { $format } are not taken. Allowed: { $allowed }.
image-too-large-bytes = The picture has { $size } MB; at most { $limit } MB are taken.
image-too-many-pixels = The picture has { $width } x { $height } pixels; at most { $limit } million in all are taken.
image-too-small = The picture is too small to be used: { $width } x { $height } pixels; at least { $limit } each way are needed.
image-broken = The picture is damaged or cut off and cannot be read. Please send it again.
picture-cut = About { $cut } % of your picture was cut away to fill the video. To keep all of it, cancel the task and send it again with --fit pad.
fit-unknown = "{ $asked }" is no way to fit a picture. Allowed: { $allowed }.
fit-without-image = --fit { $fit } says how a picture is fitted, and there is none. Add a picture, or leave it out.
fit-not-possible = { $model } gets pictures as they are. Leave that option (--fit) out.
no-credits-in-group = This needs { $needed } { $needed ->
    [one] credit
   *[other] credits
}; you have { $have } of your own, and may take { $left } from the shared wallet today. Both are filled again at { $refills_at }.
channel-not-allowed = Videos are made in other channels here: { $all }
group-nowhere = This is about a server or a group; use it there.
group-not-yours = Only those who manage this server can change that.
group-role-and-share = Name both: the role, and how many credits a day one with it may take; -1 takes the role off the list.
group-not-allowed = { $channel } is not among the allowed channels, so there is nothing to take off. With no channel allowed by name, videos may be asked for everywhere.
group-too-many = That is too many: at most { $limit }.
group-not-an-id = "{ $group }" is no group. Write discord: and the server's number, or telegram: and the group's.
group = Here: videos in these channels: { $channels }; shares of roles in the wallet, credits a day: { $shares }; language: { $language }; { $spoiler ->
    [yes] videos are hidden until somebody clicks them.
   *[no] videos are shown at once.
}
group-wallet = Credits in the shared wallet here: { $free } of today's { $limit }. You may take { $left } of them now.
no-credits = This needs { $needed } { $needed ->
    [one] credit
   *[other] credits
}; you have { $have }. { $limit ->
    [0] You have no daily credits; an admin can grant some.
    [one] Your daily credit comes back at { $refills_at }.
   *[other] Your { $limit } daily credits come back at { $refills_at }.
}
too-many-running = { $limit ->
    [0] Nobody can make videos here right now.
    [one] You already have a video under way, and may have one at a time. Wait for it to end, or stop it with /cancel.
   *[other] You already have { $running } of { $limit } videos under way. Wait for one to end, or stop one with /cancel.
}
banned = { $reason ->
    [none] You cannot make videos here. An admin can tell you why.
   *[other] You cannot make videos here: { $reason }
}
prompt-forgotten = The prompt of { $task } is no longer kept. Please type it again with /video.
retry-still-active = { $task } is still under way. /tasks shows how far it is.
remix-not-finished = { $task } has no finished video that could be changed.
remix-not-possible = The gateway that made { $task } cannot change videos. Make a new one with /video.
remix-private = { $task } was made as a private video, and its gateway does not change such videos.
remix-not-this-one = { $task } cannot be changed: its gateway gave no handle for it. Make a new one with /video.
task-unknown = You have no task { $task }. /tasks shows yours.

accepted = Task { $task }: { $price }. { $expected } You have { $free } left.
accepted-here = Task { $task }: { $price }. { $expected }
accepted-shared = Task { $task }: { $price }, paid from the shared wallet here. { $expected }
expected-unknown = How long it takes is not known yet; the video will come here.
expected-in = It should be ready in { $time }.
expected-at = It should be ready { $moment }.
expected-line = { $line ->
    [0] { "" }
    [one] One task is ahead of it.
   *[other] { $line } tasks are ahead of it.
}

## How a task goes

state-queued = waiting in line
state-submitting = being handed to the gateway
state-running = being made
state-fetching = being downloaded
state-delivering = being sent
state-review = in review
state-undelivered = made but not delivered
state-done = done
state-failed = failed
state-cancelled = cancelled

status-queued = { $task }: waiting in line. { $expected }
status-submitting = { $task }: being handed to the gateway.
status-running = { $task }: being made{ $percent ->
    [none] { "" }
   *[other] , { $percent } %
}. { $expected }
status-fetching = { $task }: ready; being downloaded. { $reason ->
    [none] { "" }
   *[other] { $reason }
}
status-delivering = { $task }: ready; being sent.
status-done = { $task }: done.
status-failed = { $task }: failed. { $reason }
status-cancelled = { $task }: cancelled.
status-review = { $task }: in review. { $reason }
status-undelivered = { $task }: made but not delivered. { $reason } /fetch { $task }

delivered = Task { $task } is ready: { $prompt }
delivered-again = (repeated) Task { $task } is ready; it may have been posted before: { $prompt }
too-large-link = It has { $size } MB, and this chat takes at most { $limit } MB. Here is the whole video, for { $days ->
    [one] { $days } day
   *[other] { $days } days
}: { $link }
too-large-kept = This is a preview: the whole video has { $size } MB, and this chat takes at most { $limit } MB. It is kept for { $days ->
    [one] { $days } day
   *[other] { $days } days
} as { $task }; ask an admin of this bot for it.

word-failed = Task { $task } made no video. { $reason } { $charged ->
    [yes] An admin found that the gateway did charge for it, so you do not get { $price } back.
   *[no] You got { $price } back.
} (support code { $task })
word-cancelled = Task { $task } is cancelled. You got { $price } back.
word-review = Task { $task }: the gateway stopped answering, so nobody knows yet whether it makes the video. It is not ordered again, so that nothing is paid for twice. We keep { $price } set aside until an admin has looked and settled it; you will hear here. (support code { $task })
word-undelivered = Task { $task }: the video is made and kept, but could not be posted. { $reason } Get it with /fetch { $task }

reason-moderation = The gateway's rules do not allow this prompt or picture. Please change it.
reason-invalid-request = The gateway did not accept this order.
reason-model-unavailable = This model is no longer served. Choose another: /models
reason-upstream = The gateway failed while making it.
reason-not-found = The gateway has lost the job.
reason-no-result = The gateway finished without a video.
reason-cancelled = It was stopped.
reason-timeout = It took longer than allowed.
reason-unreachable = The gateway could not be reached.
reason-throttled = The gateway asks us to slow down.
reason-misconfigured = The gateway does not accept our account at the moment; the admins can see why.
reason-file-lost = The video could not be downloaded from the gateway.
reason-no-link = The picture could not be handed to the gateway.
reason-disk-full = There is no room on the disk at the moment; it goes on when there is.
reason-create-unclear = It is not known whether the gateway accepted the order.
reason-resolved-charged = An admin has closed the review.
reason-resolved-refunded = An admin has closed the review.
reason-chat-gone = The chat is gone.
reason-blocked = The chat does not let the bot write.
reason-too-large = The video is too large for this chat.
reason-send-unclear = It may have been posted already; it is not posted a third time by itself.
reason-unknown = The reason is not known.

## One's own tasks

tasks-title = Your newest tasks:
tasks-none = You have no tasks yet. /video PROMPT makes the first.
cancel-done = { $task } is cancelled. You got { $price } back.
cancel-asked = The gateway was asked to stop { $task }. If it does, you get { $price } back; if the video is finished first, you get it and it costs { $price }. You will hear here.
cancel-not-possible = The gateway is already making { $task } and cannot stop it. It costs { $price }, and you will get the video.
cancel-too-late = { $task } is already made and on its way to you. It costs { $price }.
cancel-at-rest = { $task } is no longer under way: { $state }.
fetch-sending = Sending { $task } again.
fetch-here = Here is { $task }:
fetch-not-ready = { $task } is not ready yet: { $state }.
fetch-no-video = { $task } has no video: { $state }.
fetch-expired = The video of { $task } is no longer kept.

## Credits, models, settings

quota = You can spend { $free ->
    [one] { $free } credit
   *[other] { $free } credits
}: { $daily } of today's { $limit }{ $granted ->
    [0] .
   *[other] , and { $granted } granted to you, which do not lapse.
}
    Videos under way: { $active } of at most { $max }; credits set aside for them: { $held }.
    { $limit ->
        [0] You have no daily credits; an admin can grant some.
       *[other] Daily credits are spent first and come back at { $refills }; unspent ones are not carried over.
    }
    1 credit stands for 1 second of a standard 720p video; /models shows all prices. The price is fixed when a task is accepted, and you get it back if no video comes of it.
models-title = Models:
models-line = { $name } - { $title }: { $durations } s; { $sizes }; credits a second: { $price }{ $images ->
    [0] ; no picture
   *[other] ; with or without a picture
}{ $styles ->
    [none] { "" }
   *[other] ; styles: { $styles }
}
models-free-orientation = { $sizes } in { $orientations }
settings = Your settings: model { $model }, orientation { $orientation }, duration { $duration }, language { $language }.
settings-how = Change one with /settings NAME VALUE, clear one with /settings NAME -
settings-none = not set
language-current = Your language is { $code }. Languages: { $all }. Change it with /language CODE
language-changed = From now on I write to you in English.
language-unknown = There is no language "{ $code }". Languages: { $all }.

## Privacy and welcome

privacy = What is kept: your prompts for { $prompt_days ->
    [one] a day
   *[other] { $prompt_days } days
}, your pictures for { $picture_days ->
    [one] a day
   *[other] { $picture_days } days
}, your finished videos for { $result_days ->
    [one] a day
   *[other] { $result_days } days
}, your settings and user name, and the record of your credits and tasks. Prompts and pictures go to the gateway that makes the video, and to nobody else.
    /forgetme deletes prompts, pictures, videos and settings at once.
forgetme-confirm = This deletes your prompts, pictures, finished videos and settings for good. Your credits and the record of them stay. To do it, write /forgetme yes
forgetme-done = { $count ->
    [0] There was nothing to delete but your settings.
    [one] Your settings and what was kept of one task are deleted.
   *[other] Your settings and what was kept of { $count } tasks are deleted.
} { $active ->
    [0] { "" }
    [one] One task is still under way; use /forgetme again when it has ended.
   *[other] { $active } tasks are still under way; use /forgetme again when they have ended.
}
start = Tell me what you would like to see, and I will make a video of it: /video a red kite over the sea
    Add a picture if you like, and the video begins with it. /help shows everything.
help-title = What you can write:
help-options = Options of /video:
    --model NAME --duration SECONDS --size NAME --style NAME
    --portrait or --landscape
    --watermark or --no-watermark
    --private --storyboard
    --spoiler hides it in the chat until it is tapped
    --fit crop or --fit pad: a picture of another shape is cut to fill the video, or stays whole with a blurred border
    --image FILE (at the console)
    What each model can do: /models
help-admin = You are an admin: /admin shows your commands.
help-video = make a video
help-remix = change a finished video
help-tasks = your tasks
help-cancel = stop a video that is under way
help-retry = make a video once more
help-fetch = get a finished video sent again
help-quota = your credits
help-models = what can be made, and the prices
help-settings = your defaults
help-language = choose your language
help-privacy = what is kept about you
help-forgetme = delete what is kept about you
help-start = how to begin
help-help = all commands
menu-admin = the commands of admins

## Admins

admin-only = This command is for admins.
admin-none-yet = This command is for admins, and there is none here yet. If you run this bot, write ADMINS={ $person } into its settings and start it again.
admin-help-title = What admins can write. USER is an id as in telegram:123 or discord:456; in Telegram also @name, or left out in reply to them.
admin-help-grant = give credits that stay, or take some with a negative number
admin-help-limit = set the daily credits; 0 means none
admin-help-group = set the daily credits that a group shares; 0 means none
admin-help-ban = no new videos
admin-help-unban = lift a ban
admin-help-user = what is known of somebody
admin-help-tasks = tasks at work or waiting for somebody, or in one state
admin-help-task = everything about a task
admin-help-requeue = post an undelivered video again, or look at a task now
admin-help-resolve = end a review
admin-help-audit = who did what
admin-help-providers = how the providers stand, and what is wrong with them
admin-help-provider = take tasks (and forget past trouble), send nothing at all, or finish what runs
admin-help-reload = read the catalogue again
admin-word-unknown = { $nearest ->
    [none] There is no /admin { $word }. Words: { $all }.
   *[other] There is no /admin { $word }. Did you mean { $nearest }? Words: { $all }.
}
person-missing = Whom? Write telegram:123, discord:456 or console:local; in a chat also @name, or reply to a message of theirs.
person-not-an-id = "{ $person }" is nobody's id. Write telegram:123, discord:456 or console:local; in a chat also @name, or reply to a message of theirs.
person-unknown = { $person } has never written here.
credits-missing = How many credits? Write a whole number from { $least } to { $most }.
credits-not-a-number = "{ $asked }" is not a number of credits. Write a whole number from { $least } to { $most }.
count-not-a-number = "{ $asked }" is not a count. Write a whole number from { $least } to { $most }.
state-unknown = There is no state "{ $state }". States: { $all }.
verdict-unknown = How should it end? Write one of: { $all }.
remote-id-missing = Which job? Write attach and the gateway's own id of it.
admin-granted = Granted to { $person }: { $credits }. To spend now: { $free }.
admin-limited = Daily credits of { $person }: { $credits }. To spend now: { $free }.
admin-group = Credits that { $group } shares in a day: { $credits }. To spend now: { $free }.
admin-banned = { $person } can make no new videos{ $reason ->
    [none] .
   *[other] : { $reason }
}
admin-unbanned = { $person } can make videos again.
admin-user = { $person }: to spend { $free } ({ $daily } of { $limit } daily, { $granted } granted), { $held } set aside, { $active } under way.
admin-user-banned = { $reason ->
    [none] Banned.
   *[other] Banned: { $reason }
}
admin-tasks-none = No tasks.
admin-requeued = { $task } is taken up now.
admin-requeue-at-rest = { $task } is { $state }; there is nothing to take up. Its person can write /retry.
admin-requeue-review = { $task } is in review: end that with /admin resolve.
admin-resolve-not-in-review = { $task } is not in review: { $state }.
admin-resolve-too-late = { $task } has just moved on; look at it again.
admin-resolved-charge = { $task } is closed; it cost { $price }.
admin-resolved-refund = { $task } is closed; its person got { $price } back.
admin-resolved-attach = { $task } goes on with that job.
admin-attach-taken = The job { $remote_id } belongs to task { $task } already.
admin-audit-none = Nothing yet.
provider-unknown = No provider is called "{ $name }". Configured: { $all }.
provider-missing = Which provider? Write /admin provider NAME on, off or drain; /admin providers shows them.
mode-unknown = What about { $name }? Write one of: { $all }.
admin-provider-on = { $provider } takes tasks. { $jobs } of its jobs are running.
admin-provider-drain = { $provider } takes nothing new. { $jobs } of its jobs are running and will be finished.
admin-provider-off = Nothing is sent to { $provider } any more. { $jobs } of its jobs wait there until it is on again.
admin-reloaded = { $changed ->
    [no] The catalogue is as it was. Models: { $models }.
   *[other] The catalogue was read again. Models: { $models }.
}
admin-reload-wrong = The catalogue is wrong; the one before it stays in use.
    { $lines }

## Told to admins unasked

alert-misconfigured = Provider { $provider }: the gateway refuses the key, or the account has no funds. It gets no tasks for now and is tried again every few minutes; /admin provider { $provider } on tries at once. The gateway says: { $raw }
alert-unreachable = Provider { $provider } fails again and again. It gets no tasks until it answers; that is tried by itself. The last word: { $raw }
alert-closed = Provider { $provider } works again.
alert-model-off = Provider { $provider } no longer serves { $model }. Nobody is sent there for it in the next { $hours } h; /admin provider { $provider } on tries again at once. The gateway says: { $raw }
alert-catalogue = The catalogue was changed and is wrong; the one before it stays in use.
    { $lines }

## Chats

repeated = (repeated)
button-cancel = Cancel
button-again = Again
button-remix = Change it
button-file = As file
button-retry = Try again
button-fetch = Get it
button-start = Start: { $price }
button-model = Model: { $model }
button-seconds = { $seconds } s
button-back = Back
button-drop = Drop it
button-reset = Choose for me
button-forget = Delete all
button-keep = Keep it
caption-repeated = (repeated) It may have been posted before.
caption-facts = { $model }, { $seconds } s
posted-in-private = I could not post it where you asked for it.
status-over = This video is done.
draft-no-prompt = What should the video show? Write it to me as a message.
draft-facts = { $model }, { $seconds } s{ $shape ->
    [none] { "" }
   *[other] , { $shape }
}
    Price: { $price }; you have { $free } left.
draft-remix = This changes your video { $task }.
draft-picture = The video begins with your picture.
draft-dropped = Dropped. Nothing was charged.
album-first = Of several pictures only the first is used.
takes-pictures = I take words and pictures (JPEG, PNG, WebP, HEIC, GIF or AVIF), and make videos from them.
ask-me = What should the video show? Write /video and then what you would like to see.
question-video = What should the video show? Reply to this message with your words.
question-remix = What should be different in { $task }? Reply to this message with your words.
question-placeholder = a red kite over the sea
question-open = I have asked you already: please reply to my question below.
press-too-old = This button no longer works. /help shows what does.
press-done = That has been done already.
card-not-yours = This belongs to somebody else. Ask for a video of your own with /video.
file-below = The file stands in this chat already, below.
again-under-way = It is already being made again: { $task }.
nothing-done = Nothing was changed.
done-already = This was done already.
picture-gone = Telegram no longer has that picture. Please send it again.
nobody = I cannot tell who you are: you write as a group or a channel. Write as yourself to make videos.
handle-unknown = I have never seen { $handle } write here. Reply to a message of theirs, or write telegram: and their number.
language-choose = Which language?
forgetme-choose = This deletes your prompts, pictures, finished videos and settings for good. Your credits and the record of them stay.
group-greeting = Hello! I make videos from words and pictures: /video a red kite over the sea
    Write /video below a picture, or reply to one with it, and the video begins with that picture.
about = I make videos from what you write, and from your pictures. Send me a few words or a photo, look at the price, press Start, and the video comes right here.
    /help shows everything, /privacy what is kept.
about-short = Videos from your words and pictures, right here in the chat.

## Discord

answered-in-private = I have answered in private.
help-title-discord = What I can do:
help-discord = While you type a command, Discord shows what can be added to it: a picture, the model, the seconds and more. /models tells what each model can do.
    In the menu of any message, under Apps: { menu-picture }, { menu-remix }.
menu-picture = Make a video of this picture
menu-remix = Remix this video
fit-crop = cut to fill
fit-pad = whole, with a blurred border
option-model = model
option-model-about = which model makes it
option-prompt = prompt
option-prompt-about = what you would like to see
option-image = image
option-image-about = a picture that the video begins with
option-duration = duration
option-duration-about = seconds
option-orientation = orientation
option-orientation-about = upright or across
option-size = size
option-size-about = width and height
option-style = style
option-style-about = how it looks
option-watermark = watermark
option-watermark-about = with or without the gateway's mark
option-private = private
option-private-about = the gateway shows it to nobody
option-spoiler = spoiler
option-spoiler-about = hidden in the channel until somebody clicks it
option-storyboard = storyboard
option-storyboard-about = the prompt is a list of scenes
option-fit = fit
option-fit-about = what becomes of a picture of another shape
option-task = task
option-task-about = the id of a task
option-clear = clear
option-clear-about = a default that is to be none again
option-code = code
option-code-about = the language
option-language = language
help-server = what holds for this server
option-allow = allow
option-allow-about = videos may be asked for in this channel; others then only if named as well
option-forbid = forbid
option-forbid-about = no longer in this channel
option-role = role
option-role-about = a role that may take credits from the shared wallet
option-server = server
option-server-about = its number; left out: this one
option-language-about = how people are spoken to who have chosen none
option-user = user
option-user-about = whom it is about
option-credits = credits
option-credits-about = how many
option-reason = reason
option-reason-about = why; they are told
option-state = state
option-state-about = only those in this state
option-verdict = verdict
option-verdict-about = who pays: charge, refund; or attach the gateway's job
option-job = job
option-job-about = the gateway's own id, for attach
option-name = name
option-name-about = the provider's name
option-mode = mode
option-mode-about = on, off or drain
option-count = count
option-count-about = how many lines
form-picture = A video of this picture
form-again = Once more
form-remix = Change this video
form-prompt = What should it show?
form-change = What should be different?
button-original = Original
button-delete = Delete
no-picture-there = There is no picture in that message. I take JPEG, PNG, WebP, HEIC, GIF and AVIF.
no-video-there = That is no video of mine. Use this on a message with one of your videos.
picture-gone-discord = Discord no longer has that picture. Please attach it again.
status-lent = Here I can write for 15 minutes only. If it takes longer, the video is kept: /fetch { $task }
reason-answer-expired = Discord let me write there for 15 minutes only.
cannot-delete = I cannot delete that message any more.
result-deleted = Deleted here. The video is still kept for you: /fetch { $task }
busy = I cannot write anything down right now. Nothing was charged; please try again in a minute.

## The console

console-greeting = Reelay. Type what you would like to see, or /help. Ctrl-D leaves.
console-unfinished = { $count ->
    [one] One video of an earlier sitting is still under way.
   *[other] { $count } videos of an earlier sitting are still under way.
}
console-leaving = { $count ->
    [one] One video is still under way; it goes on at the next start.
   *[other] { $count } videos are still under way; they go on at the next start.
}
