// The words of the dashboard. English ones that are not here are as the parts say them.
export const words = {
    en: { tunnelId: "TunnelId", authCode: "AuthCode", as: "frames" },
    zh: {
        // The page itself.
        overview: "总览", gateway: "网关", app: "应用", tunnel: "隧道", device: "设备", mesh: "网状网络", cluster: "集群",
        frames: "帧", events: "事件", "log in": "登录", "log out": "退出", secret: "口令", filter: "筛选", level: "级别",
        "log in first": "请先登录", live: "实时", "no answer": "没有回应", nothing: "无", "more rows": "行未显示",
        "more nodes": "个节点未画出", graph: "连接图",
        "the node printed a link when it started; open it, or write the secret here": "节点启动时打印了登录链接：打开它，或在此输入口令",
        debug: "调试", info: "信息", notice: "通知", warning: "警告", error: "错误", yes: "是", no: "否",
        // Overview.
        version: "版本", loops: "事件循环", loop: "循环", "stuck loops": "卡住的循环", meters: "指标", name: "名称", labels: "标签",
        value: "值", "per second": "每秒", "what it is": "说明", "close reasons": "关闭原因", reason: "原因", count: "次数",
        turns: "轮数", timers: "定时器", tasks: "任务", "most queued": "最多排队", "busy share": "忙碌占比", latencies: "延迟",
        measured: "次数", median: "中位数", "99 %": "99%", "longest": "最长",
        // Gateway.
        clients: "客户端", servers: "服务端", "virtual connections": "虚拟连接", side: "侧", id: "编号", address: "地址",
        "received bytes": "收到字节", "sent bytes": "发出字节", queued: "排队字节", quiet: "静默",
        // App.
        sessions: "会话", users: "用户", user: "用户", groups: "分组", group: "分组", members: "成员", routes: "路由", route: "路由",
        data: "数据",
        // Tunnel.
        rules: "规则", owner: "主人", listens: "监听", listen: "监听地址", target: "目标", visitors: "访客", tunnelId: "隧道号",
        authCode: "验证码", state: "状态", connections: "连接", "from visitors": "来自访客", "to visitors": "发往访客",
        revoke: "撤销旧规则", rule: "规则", "rules of this node": "本节点的规则",
        // Mesh.
        peers: "节点", links: "链路", link: "链路", opened: "发起方", "bytes waiting": "等待字节", broadcasts: "广播", from: "来自",
        "last number": "最后编号", missing: "缺失", "last one ago": "距上次", behind: "经由", "peers of the original": "原版节点",
        // Cluster.
        registry: "注册表", bus: "总线", leases: "租约", lease: "租约", keys: "键", type: "类型", host: "主机", answer: "应答",
        frontend: "前端", node: "节点", nodes: "节点", since: "起始", certificate: "证书", published: "已发布", received: "已收到",
        subscriptions: "订阅", "requests under way": "进行中的请求", "lost connections": "断开次数", holder: "持有者",
        // Frames.
        watched: "观察中", handler: "处理者", driver: "驱动", number: "编号", seconds: "秒", way: "方向", bytes: "字节", says: "内容",
        connection: "连接", as: "帧格式", "as it says": "自动",
    },
}
// What the buttons of actions say; the others have the last word of their names.
export const labels = {
    en: {
        "app.pushGroup": "push", "tunnel.code": "show AuthCode", "tunnel.newCode": "new AuthCode", "device.look": "is it online?",
        "device.add": "make a rule", "frames.find": "watch an address",
    },
    zh: {
        "app.kick": "踢出", "app.push": "推送", "app.pushGroup": "推送", "tunnel.kick": "踢出", "tunnel.remove": "删除", "tunnel.code": "显示验证码",
        "tunnel.newCode": "更换验证码", "device.look": "是否在线？", "device.add": "建立规则", "frames.watch": "观察",
        "frames.forget": "停止观察", "frames.find": "观察此地址",
    },
}
// What a page is for, where its name does not say it.
export const hints = {
    en: {
        device: "With the TunnelId and the AuthCode of a device you see whether it is online, and make a way to it: what it is to reach (target), and where this node listens for that. Port 0 is any that is free.",
        frames: "A connection that is watched keeps its last frames for five minutes. They have what users say.",
    },
    zh: {
        device: "输入设备的隧道号和验证码，查看是否在线，并建立通往它的规则：要到达的目标，以及本节点监听的地址。端口 0 表示任一空闲端口。",
        frames: "被观察的连接保留最近的帧五分钟，其中有用户的内容。",
    },
}
