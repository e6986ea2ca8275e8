## 小部件

about-seconds = 约 { $count } 秒
about-minutes = 约 { $count } 分钟
about-hours = 约 { $count } 小时
moment = { $time }（{ $zone }）
orientation-portrait = 竖屏
orientation-landscape = 横屏
orientation-square = 方形
credits = { $count } 点
internal-error = 我们这边出了问题。这次没有扣点。请再试一次；若一直如此，请告诉管理员。

## 输入命令

not-a-command = { $nearest ->
    [none] 这不是命令。命令以斜杠开头：/video 提示词 生成视频，/help 查看其余命令。
   *[other] 这不是命令。您是不是要 { $nearest }？/help 查看全部。
}
command-unknown = { $nearest ->
    [none] 没有命令 /{ $name }。/help 查看全部。
   *[other] 没有命令 /{ $name }。您是不是要 { $nearest }？/help 查看全部。
}
line-too-long = 这一行有 { $count } 个字符；最多读取 { $limit } 个。
too-much = { $command } 不接受“{ $rest }”，请去掉。
option-unknown = { $nearest ->
    [none] 没有选项 { $option }。可用选项：{ $all }。若要把这样的词写进提示词，请在它前面写 --。
   *[other] 没有选项 { $option }。您是不是要 { $nearest }？可用选项：{ $all }。若要把这样的词写进提示词，请在它前面写 --。
}
option-twice = { $option } 出现了两次，请只写一次。
option-takes-nothing = { $option } 不带值，请单独写。
option-needs-value = { $option } 需要一个值：{ $option } { $value }。
options-exclude = { $first } 与 { $second } 不能同时使用，请只写一个。
duration-not-a-number = “{ $asked }”不是时长。请写整数秒，例如 --duration 8。
task-missing = 哪个任务？请写 { $command } 任务号；/tasks 列出您的任务。
task-not-an-id = “{ $task }”不是任务号。/tasks 列出您的任务。
setting-unknown = 没有设置项“{ $name }”。设置项：{ $all }。
setting-needs-value = { $name } 应该设成什么？请写 /settings { $name } 值，或写 /settings { $name } - 清除。
orientation-unknown = “{ $asked }”不是画面方向。可用：{ $allowed }。
remix-needs-prompt = 要改什么？请写 /remix { $task }，后面跟上要改的内容。

## 生成视频

prompt-empty = 视频里要有什么？请写在命令后面：/video 海面上的红色风筝
prompt-too-long = 提示词有 { $count } 个字符；{ $model } 最多接受 { $limit } 个。
model-unknown = { $nearest ->
    [none] 没有模型“{ $name }”。可用模型：{ $all }。
   *[other] 没有模型“{ $name }”。您是不是要 { $nearest }？可用模型：{ $all }。
}
model-retired = { $name } 已不能使用。可用模型：{ $all }。
model-off = { $name } 暂时不可用。{ $all ->
    [none] 请稍后再试。
   *[other] 请稍后再试，或选择其他模型：{ $all }。
}
models-none = 现在没有可用的模型，请稍后再试。
duration-not-allowed = { $model } 不能生成 { $asked } 秒的视频。可用：{ $allowed } 秒。
size-not-allowed = { $model } 没有尺寸“{ $asked }”。可用：{ $allowed }。
size-against-orientation = 尺寸 { $size } 是{ $really ->
    [portrait] { orientation-portrait }
    [landscape] { orientation-landscape }
   *[other] { orientation-square }
}的，不是{ $asked ->
    [portrait] { orientation-portrait }
    [landscape] { orientation-landscape }
   *[other] { orientation-square }
}的。请去掉尺寸或方向。
orientation-not-allowed = { $model } 不能生成{ $asked ->
    [portrait] { orientation-portrait }
    [landscape] { orientation-landscape }
   *[other] { orientation-square }
}视频。可用：{ $allowed }。
style-unknown = { $nearest ->
    [none] { $model } 没有风格“{ $asked }”。可用风格：{ $all }。
   *[other] { $model } 没有风格“{ $asked }”。您是不是要 { $nearest }？可用风格：{ $all }。
}
style-not-possible = { $model } 没有风格可选，请去掉风格。
image-not-possible = { $model } 不接受图片。请去掉图片，或换一个模型：/models
image-needs-link = { $model } 目前只接受图片链接，而本机器人没有公网地址可用。请去掉图片，或请管理员设置 PUBLIC_URL 或 S3_ENDPOINT。
watermark-not-possible = { $model } 不能选择水印，请去掉该选项。
private-not-possible = { $model } 不支持私有视频，请去掉该选项。
storyboard-not-possible = { $model } 不支持分镜脚本，请去掉该选项。
together-not-possible = { $model } 不能同时满足：{ $wishes }。{ $durations ->
    [none] { $without ->
        [none] 请减少要求。
       *[other] 去掉其中之一即可：{ $without }。
    }
   *[other] 其余条件下可用的时长（秒）：{ $durations }。
}
image-by-path = 请直接附上图片；--image 文件 只能在控制台使用。
picture-forgotten = { $task } 的图片已不再保存，请用 /video 重新发送。
image-missing = 没有文件 { $path }，请检查路径。
image-empty = 图片是空的（0 字节）。
image-not-one = { $name } 不是图片，看起来是{ $seems ->
    [text] 文本
    [web-page] 网页
    [pdf] PDF 文件
    [archive] 压缩包
    [video] 视频
    [sound] 音频
    [program] 程序
   *[data] 其他数据
}。接受 JPEG、PNG、WebP、HEIC、GIF 和 AVIF。
disk-full = 磁盘现在没有空间存放图片。没有扣点；请稍后再试，或不带图片。
image-format = 不接受 { $format } 格式的图片。可用：{ $allowed }。
image-too-large-bytes = 图片有 { $size } MB；最多接受 { $limit } MB。
image-too-many-pixels = 图片为 { $width } x { $height } 像素；总共最多接受 { $limit } 百万像素。
image-too-small = 图片太小，无法使用：{ $width } x { $height } 像素；每边至少需要 { $limit } 像素。
image-broken = 图片已损坏或不完整，无法读取，请重新发送。
picture-cut = 为填满画面，您的图片约有 { $cut } % 被裁掉。若要保留全图，请取消该任务，并加上 --fit pad 重新发送。
fit-unknown = “{ $asked }”不是适配图片的方式。可用：{ $allowed }。
fit-without-image = --fit { $fit } 用于适配图片，但没有图片。请附上图片，或去掉该选项。
fit-not-possible = { $model } 会原样收到图片，请去掉该选项（--fit）。
no-credits-in-group = 这需要 { $needed } 点；您自己有 { $have } 点，今天还可从共享钱包取 { $left } 点。两者都将于 { $refills_at }恢复。
channel-not-allowed = 这里只能在其他频道生成视频：{ $all }
group-nowhere = 这是关于服务器或群组的设置；请在那里使用。
group-not-yours = 只有管理此服务器的人可以修改。
group-role-and-share = 请同时指定身份组，以及拥有它的人每天可取多少点；填 -1 则把该身份组移出名单。
group-not-allowed = { $channel } 不在允许的频道之列，无需取消。未指定任何频道时，到处都可生成视频。
group-too-many = 太多了：最多 { $limit } 个。
group-not-an-id = “{ $group }”不是群组。请写 discord: 加服务器编号，或 telegram: 加群组编号。
group = 此处：可生成视频的频道：{ $channels }；各身份组每天可从钱包取的点数：{ $shares }；语言：{ $language }；{ $spoiler ->
    [yes] 视频先遮住，点击后显示。
   *[no] 视频直接显示。
}
group-wallet = 此处的共享钱包每天 { $limit } 点，现有 { $free } 点；您现在可取 { $left } 点。
no-credits = 这需要 { $needed } 点；您有 { $have } 点。{ $limit ->
    [0] 您没有每日点数；管理员可以赠送。
   *[other] 您的 { $limit } 点每日点数将于 { $refills_at }恢复。
}
too-many-running = { $limit ->
    [0] 现在这里不能生成视频。
   *[other] 您已有 { $running } 个视频在进行中，上限为 { $limit } 个。请等一个结束，或用 /cancel 停止一个。
}
banned = { $reason ->
    [none] 您不能在这里生成视频，管理员可以告诉您原因。
   *[other] 您不能在这里生成视频：{ $reason }
}
prompt-forgotten = { $task } 的提示词已不再保存，请用 /video 重新输入。
retry-still-active = { $task } 还在进行中。/tasks 查看进度。
remix-not-finished = { $task } 没有可以修改的成品视频。
remix-not-possible = 生成 { $task } 的网关不能修改视频，请用 /video 重新生成。
remix-private = { $task } 是私有视频，其网关不能修改这样的视频。
remix-not-this-one = { $task } 不能修改：其网关没有给出修改所需的编号。请用 /video 重新生成。
task-unknown = 您没有任务 { $task }。/tasks 列出您的任务。

accepted = 任务 { $task }：{ $price }。{ $expected }您还剩 { $free } 点。
accepted-here = 任务 { $task }：{ $price }。{ $expected }
accepted-shared = 任务 { $task }：{ $price }，由此处的共享钱包支付。{ $expected }
expected-unknown = 暂时无法预计需要多久；完成后会发到这里。
expected-in = 预计{ $time }后完成。
expected-at = 预计{ $moment }完成。
expected-line = { $line ->
    [0] { "" }
   *[other] 前面还有 { $line } 个任务。
}

## 任务进展

state-queued = 排队中
state-submitting = 正在提交给网关
state-running = 生成中
state-fetching = 下载中
state-delivering = 发送中
state-review = 待核查
state-undelivered = 已生成但未送达
state-done = 已完成
state-failed = 失败
state-cancelled = 已取消

status-queued = { $task }：排队中。{ $expected }
status-submitting = { $task }：正在提交给网关。
status-running = { $task }：生成中{ $percent ->
    [none] { "" }
   *[other] ，{ $percent }%
}。{ $expected }
status-fetching = { $task }：已生成，下载中。{ $reason ->
    [none] { "" }
   *[other] { $reason }
}
status-delivering = { $task }：已生成，发送中。
status-done = { $task }：已完成。
status-failed = { $task }：失败。{ $reason }
status-cancelled = { $task }：已取消。
status-review = { $task }：待核查。{ $reason }
status-undelivered = { $task }：已生成但未送达。{ $reason } /fetch { $task }

delivered = 任务 { $task } 完成：{ $prompt }
delivered-again = （重复）任务 { $task } 完成，之前可能已发送过：{ $prompt }
too-large-link = 视频有 { $size } MB，而本聊天最多接受 { $limit } MB。完整视频（{ $days } 天内有效）：{ $link }
too-large-kept = 这是预览：完整视频有 { $size } MB，而本聊天最多接受 { $limit } MB。它以编号 { $task } 保留 { $days } 天，请向本机器人的管理员索取。

word-failed = 任务 { $task } 没有生成视频。{ $reason }{ $charged ->
    [yes] 管理员确认网关已收费，因此 { $price }不退还。
   *[no] 您的 { $price }已退回。
}（支持代码 { $task }）
word-cancelled = 任务 { $task } 已取消。您的 { $price }已退回。
word-review = 任务 { $task }：网关没有回应，目前不知道它是否在生成视频。不会重复提交，以免付两次。您的 { $price }先保留，等管理员核查后处理，结果会在这里告诉您。（支持代码 { $task }）
word-undelivered = 任务 { $task }：视频已生成并保存，但无法发送。{ $reason } 请用 /fetch { $task } 获取

reason-moderation = 网关的规则不允许这个提示词或图片，请修改。
reason-invalid-request = 网关没有接受这个订单。
reason-model-unavailable = 这个模型已不再提供，请换一个：/models
reason-upstream = 网关在生成时出错。
reason-not-found = 网关丢失了这个任务。
reason-no-result = 网关结束了但没有视频。
reason-cancelled = 已停止。
reason-timeout = 用时超过了允许的时间。
reason-unreachable = 无法连接网关。
reason-throttled = 网关要求放慢速度。
reason-misconfigured = 网关目前不接受我们的账户；管理员可以看到原因。
reason-file-lost = 无法从网关下载视频。
reason-no-link = 图片未能交给网关。
reason-disk-full = 磁盘暂时没有空间；有空间后会继续。
reason-create-unclear = 不知道网关是否接受了订单。
reason-resolved-charged = 管理员已结束核查。
reason-resolved-refunded = 管理员已结束核查。
reason-chat-gone = 聊天已不存在。
reason-blocked = 聊天不允许机器人发言。
reason-too-large = 视频对这个聊天来说太大。
reason-send-unclear = 可能已经发送过；不会自动发送第三次。
reason-unknown = 原因不明。

## 自己的任务

tasks-title = 您最近的任务：
tasks-none = 您还没有任务。/video 提示词 生成第一个。
cancel-done = { $task } 已取消。您的 { $price }已退回。
cancel-asked = 已请网关停止 { $task }。若成功，您的 { $price }会退回；若视频先完成，您会收到视频并花费 { $price }。结果会在这里告诉您。
cancel-not-possible = 网关已在生成 { $task }，无法停止。它花费 { $price }，您会收到视频。
cancel-too-late = { $task } 已生成，正在发给您。它花费 { $price }。
cancel-at-rest = { $task } 已不在进行中：{ $state }。
fetch-sending = 正在重新发送 { $task }。
fetch-here = 这是 { $task }：
fetch-not-ready = { $task } 还没有完成：{ $state }。
fetch-no-video = { $task } 没有视频：{ $state }。
fetch-expired = { $task } 的视频已不再保存。

## 点数、模型、设置

quota = 您可用 { $free } 点：今日 { $limit } 点中的 { $daily } 点{ $granted ->
    [0] 。
   *[other] ，以及不过期的赠送点 { $granted } 点。
}
    进行中的视频：{ $active } 个（同时最多 { $max } 个），为其预留 { $held } 点。
    { $limit ->
        [0] 您没有每日点数；管理员可以赠送。
       *[other] 优先使用每日点数，每日点数将于 { $refills }恢复；未用完的不累积。
    }
    1 点相当于标准 720p 视频的 1 秒；/models 查看全部价格。价格在接受任务时确定；若最终没有视频，则会退回。
models-title = 模型：
models-line = { $name } - { $title }：{ $durations } 秒；{ $sizes }；每秒 { $price } 点{ $images ->
    [0] ；不接受图片
   *[other] ；可带图片
}{ $styles ->
    [none] { "" }
   *[other] ；风格：{ $styles }
}
models-free-orientation = { $sizes }（{ $orientations }）
settings = 您的设置：模型 { $model }，方向 { $orientation }，时长 { $duration }，语言 { $language }。
settings-how = 用 /settings 名称 值 修改，用 /settings 名称 - 清除
settings-none = 未设置
language-current = 您的语言是 { $code }。可用语言：{ $all }。用 /language 代码 修改
language-changed = 从现在起我会用中文回复您。
language-unknown = 没有语言“{ $code }”。可用语言：{ $all }。

## 隐私与欢迎

privacy = 保存的内容：您的提示词 { $prompt_days } 天，图片 { $picture_days } 天，成品视频 { $result_days } 天，您的设置和用户名，以及点数和任务的记录。提示词和图片只会发给生成视频的网关。
    /forgetme 立即删除提示词、图片、视频和设置。
forgetme-confirm = 这将永久删除您的提示词、图片、成品视频和设置。点数和账目记录会保留。若要执行，请写 /forgetme yes
forgetme-done = { $count ->
    [0] 除设置外没有可删除的内容。
   *[other] 您的设置和 { $count } 个任务的内容已删除。
}{ $active ->
    [0] { "" }
   *[other] 还有 { $active } 个任务在进行中；结束后请再用一次 /forgetme。
}
start = 告诉我您想看什么，我来把它做成视频：/video 海面上的红色风筝
    也可以附一张图片，视频会从它开始。/help 查看全部命令。
help-title = 可用的命令：
help-options = /video 的选项：
    --model 名称 --duration 秒数 --size 名称 --style 名称
    --portrait（竖屏）或 --landscape（横屏）
    --watermark（带水印）或 --no-watermark（不带水印）
    --private（私有） --storyboard（分镜脚本）
    --spoiler：在聊天中先遮住，点击后显示
    --fit crop 或 --fit pad：图片形状不同时，裁剪以填满画面，或保留全图并模糊填充边缘
    --image 文件（仅限控制台）
    各模型能做什么：/models
help-admin = 您是管理员：/admin 查看管理命令。
help-video = 生成视频
help-remix = 修改成品视频
help-tasks = 您的任务
help-cancel = 停止进行中的视频
help-retry = 重新生成一个视频
help-fetch = 重新发送成品视频
help-quota = 您的点数
help-models = 可用的模型和价格
help-settings = 您的默认设置
help-language = 选择语言
help-privacy = 保存了您的哪些内容
help-forgetme = 删除为您保存的内容
help-start = 如何开始
help-help = 全部命令
menu-admin = 管理员命令

## 管理员

admin-only = 此命令仅供管理员使用。
admin-none-yet = 此命令仅供管理员使用，而这里还没有管理员。如果机器人由你运营，请在设置中写入 ADMINS={ $person }，然后重新启动。
admin-help-title = 管理员可以写以下命令。USER 是编号，如 telegram:123 或 discord:456；在 Telegram 也可写 @用户名，或在回复对方时省略。
admin-help-grant = 赠送不过期的点数，负数则收回
admin-help-limit = 设置每日点数；0 表示没有
admin-help-group = 设置群组每天共享的点数；0 表示没有
admin-help-ban = 禁止生成新视频
admin-help-unban = 解除禁止
admin-help-user = 某人的情况
admin-help-tasks = 进行中或待处理的任务，或某一状态的任务
admin-help-task = 一个任务的全部信息
admin-help-requeue = 重新发送未送达的视频，或立即查看任务
admin-help-resolve = 结束核查
admin-help-audit = 谁做了什么
admin-help-providers = 各服务商的状态及问题
admin-help-provider = 接受任务（并清除以往故障）、完全停用，或仅完成正在运行的作业
admin-help-reload = 重新读取模型目录
admin-word-unknown = { $nearest ->
    [none] 没有 /admin { $word }。可用：{ $all }。
   *[other] 没有 /admin { $word }。您是不是要 { $nearest }？可用：{ $all }。
}
person-missing = 谁？请写 telegram:123、discord:456 或 console:local；在聊天中也可写 @用户名，或回复其消息。
person-not-an-id = “{ $person }”不是用户标识。请写 telegram:123、discord:456 或 console:local；在聊天中也可写 @用户名，或回复其消息。
person-unknown = { $person } 从未在这里写过。
credits-missing = 多少点？请写 { $least } 到 { $most } 的整数。
credits-not-a-number = “{ $asked }”不是点数。请写 { $least } 到 { $most } 的整数。
count-not-a-number = “{ $asked }”不是数量。请写 { $least } 到 { $most } 的整数。
state-unknown = 没有状态“{ $state }”。可用：{ $all }。
verdict-unknown = 如何结束？请写其中之一：{ $all }。
remote-id-missing = 哪个网关任务？请写 attach 和网关给它的标识。
admin-granted = 已给 { $person } { $credits } 点，现在可用 { $free } 点。
admin-limited = { $person } 现在每天有 { $credits } 点，可用 { $free } 点。
admin-group = { $group } 每天共享 { $credits } 点，现在可用 { $free } 点。
admin-banned = { $person } 不能再生成新视频{ $reason ->
    [none] 。
   *[other] ：{ $reason }
}
admin-unbanned = { $person } 又可以生成视频了。
admin-user = { $person }：可用 { $free } 点（每日 { $limit } 点中的 { $daily } 点，赠送 { $granted } 点），预留 { $held } 点，进行中 { $active } 个。
admin-user-banned = { $reason ->
    [none] 已禁止。
   *[other] 已禁止：{ $reason }
}
admin-tasks-none = 没有任务。
admin-requeued = 现在处理 { $task }。
admin-requeue-at-rest = { $task } 为{ $state }，没有可处理的。本人可以写 /retry。
admin-requeue-review = { $task } 待核查：请用 /admin resolve 结束。
admin-resolve-not-in-review = { $task } 不在核查中：{ $state }。
admin-resolve-too-late = { $task } 刚刚有变化，请再看一次。
admin-resolved-charge = { $task }：{ $price }已花费；任务结束。
admin-resolved-refund = { $task }：{ $price }已退回；任务结束。
admin-resolved-attach = { $task } 以该网关任务继续。
admin-attach-taken = 网关任务 { $remote_id } 已属于任务 { $task }。
admin-audit-none = 还没有记录。
provider-unknown = 没有名为“{ $name }”的服务商。已配置：{ $all }。
provider-missing = 哪个服务商？请写 /admin provider 名称 on、off 或 drain；/admin providers 可查看。
mode-unknown = 要对 { $name } 做什么？请写其中之一：{ $all }。
admin-provider-on = { $provider } 接受任务。正在运行的作业：{ $jobs }。
admin-provider-drain = { $provider } 不再接受新任务。正在运行的作业：{ $jobs }，会照常完成。
admin-provider-off = 不再向 { $provider } 发送任何请求。等待中的作业：{ $jobs }，重新开启后继续。
admin-reloaded = { $changed ->
    [no] 模型目录没有变化。模型：{ $models }。
   *[other] 模型目录已重新读取。模型：{ $models }。
}
admin-reload-wrong = 模型目录有错误，继续使用之前的目录。
    { $lines }

## Told to admins unasked

alert-misconfigured = 服务商 { $provider }：网关拒绝了密钥，或账户余额不足。暂时不再派发任务，每隔几分钟会自动重试；/admin provider { $provider } on 可立即重试。网关原话：{ $raw }
alert-unreachable = 服务商 { $provider } 连续失败。恢复应答之前不再派发任务，会自动重试。最后的信息：{ $raw }
alert-closed = 服务商 { $provider } 已恢复。
alert-model-off = 服务商 { $provider } 不再提供 { $model }。接下来 { $hours } 小时内不会再派发；/admin provider { $provider } on 可立即重试。网关原话：{ $raw }
alert-catalogue = 模型目录已被修改但有错误，继续使用之前的目录。
    { $lines }

## Chats

repeated = （重复）
button-cancel = 取消
button-again = 再来一次
button-remix = 修改
button-file = 以文件发送
button-retry = 重试
button-fetch = 获取视频
button-start = 开始：{ $price }
button-model = 模型：{ $model }
button-seconds = { $seconds } 秒
button-back = 返回
button-drop = 放弃
button-reset = 恢复默认
button-forget = 全部删除
button-keep = 保留
caption-repeated = （重复）此视频可能已经发送过。
caption-facts = { $model }，{ $seconds } 秒
posted-in-private = 无法发送到您请求它的地方。
status-over = 此视频已完成。
draft-no-prompt = 视频要展示什么？请发消息告诉我。
draft-facts = { $model }，{ $seconds } 秒{ $shape ->
    [none] { "" }
   *[other] ，{ $shape }
}
    价格：{ $price }；您还有 { $free } 点。
draft-remix = 修改您的视频 { $task }。
draft-picture = 视频从您的图片开始。
draft-dropped = 已放弃，没有扣点。
album-first = 多张图片中只使用第一张。
takes-pictures = 我接受文字和图片（JPEG、PNG、WebP、HEIC、GIF 或 AVIF），并把它们做成视频。
ask-me = 视频要展示什么？请写 /video，后面写上您想看的内容。
question-video = 视频要展示什么？请回复这条消息，写下您的描述。
question-remix = { $task } 要改成什么样？请回复这条消息，写下您的要求。
question-placeholder = 海面上的红色风筝
question-open = 我已经问过您了：请回复下面的问题。
press-too-old = 这个按钮已失效。/help 列出可用的命令。
press-done = 已经完成了。
card-not-yours = 这是别人的。请用 /video 生成您自己的视频。
file-below = 文件已经在下面了。
again-under-way = 已经在重新生成了：{ $task }。
nothing-done = 没有任何改动。
done-already = 这已经完成了。
picture-gone = Telegram 已没有这张图片，请重新发送。
nobody = 我无法知道您是谁：您以群组或频道的身份发言。请用自己的身份发送。
handle-unknown = 我从未见过 { $handle } 在这里发言。请回复其消息，或写 telegram: 加数字标识。
language-choose = 使用哪种语言？
forgetme-choose = 这将永久删除您的提示词、图片、成品视频和设置。点数和账目记录会保留。
group-greeting = 大家好！我用文字和图片生成视频：/video 海面上的红色风筝
    把 /video 写在图片的说明里，或用它回复图片，视频就从那张图片开始。
about = 我把您的文字和图片做成视频。发几句话或一张照片，看看价格，按“开始”，视频就会出现在这里。
    /help 列出全部命令，/privacy 说明保留哪些内容。
about-short = 用您的文字和图片生成视频，就在聊天里。

## Discord

answered-in-private = 已私下回复。
help-title-discord = 我能做的：
help-discord = 输入命令时，Discord 会显示可以添加的选项：图片、模型、时长等。/models 查看各模型能做什么。
    在任意消息的菜单里，“应用”之下：{ menu-picture }、{ menu-remix }。
menu-picture = 用这张图片生成视频
menu-remix = 修改这个视频
fit-crop = 裁剪填满
fit-pad = 保留全图，边缘模糊
option-model = 模型
option-model-about = 使用哪个模型
option-prompt = 提示词
option-prompt-about = 您想看到的内容
option-image = 图片
option-image-about = 视频从这张图片开始
option-duration = 时长
option-duration-about = 秒数
option-orientation = 方向
option-orientation-about = 竖屏或横屏
option-size = 尺寸
option-size-about = 宽和高
option-style = 风格
option-style-about = 画面风格
option-watermark = 水印
option-watermark-about = 是否带网关的水印
option-private = 私有
option-private-about = 网关不向他人展示
option-spoiler = 遮挡
option-spoiler-about = 在频道中先遮住，点击后显示
option-storyboard = 分镜
option-storyboard-about = 提示词是分镜脚本
option-fit = 适配
option-fit-about = 图片形状不同时怎么办
option-task = 任务
option-task-about = 任务编号
option-clear = 清除
option-clear-about = 要清除的默认设置
option-code = 语言
option-code-about = 使用的语言
option-language = 语言
help-server = 此服务器的设置
option-allow = 允许
option-allow-about = 可在此频道生成视频；其他频道需另行指定
option-forbid = 取消允许
option-forbid-about = 不再允许此频道
option-role = 身份组
option-role-about = 可从共享钱包取点数的身份组
option-server = 服务器
option-server-about = 服务器编号；不填则为此处
option-language-about = 对未选择语言的人使用的语言
option-user = 用户
option-user-about = 针对谁
option-credits = 点数
option-credits-about = 多少点
option-reason = 原因
option-reason-about = 会告诉对方的原因
option-state = 状态
option-state-about = 只看此状态的任务
option-verdict = 裁定
option-verdict-about = charge 收费、refund 退回，或 attach 网关的任务
option-job = 网关任务
option-job-about = 网关自己的编号，用于 attach
option-name = 名称
option-name-about = 网关的名称
option-mode = 模式
option-mode-about = on、off 或 drain
option-count = 数量
option-count-about = 多少行
form-picture = 用这张图片生成视频
form-again = 再来一次
form-remix = 修改这个视频
form-prompt = 视频要展示什么？
form-change = 要改成什么样？
button-original = 原始文件
button-delete = 删除
no-picture-there = 那条消息里没有图片。我接受 JPEG、PNG、WebP、HEIC、GIF 和 AVIF。
no-video-there = 那不是我的视频。请对带有您的视频的消息使用。
picture-gone-discord = Discord 已没有这张图片，请重新附上。
status-lent = 在这里我只能在 15 分钟内发消息。若超过时间，视频会保留：/fetch { $task }
reason-answer-expired = Discord 只允许我在 15 分钟内在那里发消息。
cannot-delete = 我无法再删除那条消息。
result-deleted = 已在此删除。视频仍为您保留：/fetch { $task }
busy = 我现在无法记录任何内容。没有扣点；请稍后再试。

## 控制台

console-greeting = Reelay。请输入您想看的内容，或 /help。Ctrl-D 退出。
console-unfinished = 上次还有 { $count } 个视频在进行中。
console-leaving = 还有 { $count } 个视频在进行中；下次启动后继续。
