import CanonicalJSON
import Catalog
import Records

/// What a connection's `config` must hold for its type. Members that no rule speaks of are allowed.
///
/// ETLab's six Spark types have the shapes of its document; of every other type
/// `host` is text and `port` a port, where they are given.
struct ConnectionConfig {
  let config: JSONObject
  /// Whether a credential of its own holds what is secret: then the configuration need not.
  let hasCredential: Bool
  private(set) var problems: [ValueProblem] = []

  /// What is wrong with a configuration. Secrets in it may be as they were given, masked or sealed.
  static func problems(_ config: JSON?, type: String, hasCredential: Bool) -> [ValueProblem] {
    guard let config = config?.objectValue else { return [] }
    var check = ConnectionConfig(config: config, hasCredential: hasCredential)
    check.checkEndpoint()
    switch type {
    case "local": check.checkLocal()
    case "standalone": check.checkStandalone()
    case "yarn": check.checkYarn()
    case "kubernetes": check.checkKubernetes()
    case "databricks": check.checkDatabricks()
    case "livy": check.checkLivy()
    default: break
    }
    return check.problems
  }

  private init(config: JSONObject, hasCredential: Bool) {
    self.config = config
    self.hasCredential = hasCredential
  }

  // MARK: - Types

  private mutating func checkEndpoint() {
    text("host", isRequired: false) { $0.isEmpty ? "must not be empty" : nil }
    guard let port = member("port") else { return }
    if port.integerValue.map({ (1...65_535).contains($0) }) != true {
      refuse("port", "must be an integer from 1 to 65535")
    }
  }

  /// `{"master": "local[*]", "driver_memory": "2g", "executor_memory": "2g"}`
  private mutating func checkLocal() {
    text("master", isRequired: false) { text in
      ConnectionConfig.isLocalMaster(text) ? nil : "must be local, local[N], local[N,F] or local[*]"
    }
    checkMemory()
  }

  /// `{"master": "spark://host:7077", …}`
  private mutating func checkStandalone() {
    text("master", isRequired: true) { text in
      let addresses = text.dropFirst("spark://".count).split(separator: ",", omittingEmptySubsequences: false)
      return text.hasPrefix("spark://") && addresses.allSatisfy(ConnectionConfig.isAddress)
        ? nil : "must be spark://HOST:PORT, or several such hosts with commas between them"
    }
    checkDeployMode()
    checkMemory()
  }

  /// `{"master": "yarn", "deploy_mode": "client", "queue": "default", …}`
  private mutating func checkYarn() {
    text("master", isRequired: false) { $0 == "yarn" ? nil : "must be yarn" }
    text("queue", isRequired: false) { $0.isEmpty ? "must not be empty" : nil }
    text("hadoop_conf_dir", isRequired: false) { $0.isEmpty ? "must not be empty" : nil }
    checkDeployMode()
    checkMemory()
  }

  /// `{"master": "k8s://https://host:443", "namespace": "spark", "image": "apache/spark:3.5.0", …}`
  private mutating func checkKubernetes() {
    text("master", isRequired: true) { text in
      guard text.hasPrefix("k8s://") else { return "must be k8s://HOST:PORT or k8s://https://HOST:PORT" }
      let rest = text.dropFirst("k8s://".count)
      let isReached =
        rest.contains("://") ? ConnectionConfig.isURL(rest, ["https", "http"]) : ConnectionConfig.isAddress(rest)
      return isReached ? nil : "must be k8s://HOST:PORT or k8s://https://HOST:PORT"
    }
    text("namespace", isRequired: false) { text in
      ConnectionConfig.isLabel(text) ? nil : "must be 1 to 63 lower-case letters, digits and -"
    }
    for name in ["image", "service_account"] {
      text(name, isRequired: false) { text in
        text.isEmpty || text.utf8.contains(UInt8(ascii: " ")) ? "must not be empty or hold spaces" : nil
      }
    }
    checkDeployMode()
    checkMemory()
  }

  /// `{"host": "https://xxx.cloud.databricks.com", "token": "dapi…", "cluster_id": "0123-456789-abc123"}`
  private mutating func checkDatabricks() {
    text("host", isRequired: true) { text in
      ConnectionConfig.isURL(text[...], ["https"]) ? nil : "must be an https URL"
    }
    secret("token")
    text("cluster_id", isRequired: true) { text in
      text.isEmpty || text.utf8.contains(UInt8(ascii: " ")) ? "must not be empty or hold spaces" : nil
    }
  }

  /// `{"url": "http://livy-server:8998", "auth": "basic", "username": "admin", "password": "…"}`
  private mutating func checkLivy() {
    text("url", isRequired: true) { text in
      ConnectionConfig.isURL(text[...], ["http", "https"]) ? nil : "must be an http or https URL"
    }
    let words = ["none", "basic", "kerberos"]
    text("auth", isRequired: false) { text in
      words.contains(text) ? nil : "must be one of \(words.joined(separator: ", "))"
    }
    if member("auth") == "basic" {
      text("username", isRequired: !hasCredential) { $0.isEmpty ? "must not be empty" : nil }
      secret("password")
    }
  }

  private mutating func checkMemory() {
    for name in ["driver_memory", "executor_memory"] {
      text(name, isRequired: false) { text in
        ConnectionConfig.isMemory(text) ? nil : "must be an amount of memory, such as 512m or 2g"
      }
    }
    for name in ["executor_cores", "num_executors", "executor_instances"] {
      if let value = member(name), value.integerValue.map({ $0 >= 1 }) != true {
        refuse(name, "must be an integer, 1 or more")
      }
    }
  }

  private mutating func checkDeployMode() {
    text("deploy_mode", isRequired: false) { text in
      text == "client" || text == "cluster" ? nil : "must be client or cluster"
    }
  }

  // MARK: - Members

  private func member(_ name: String) -> JSON? { config[name]?.unlessNull }

  private mutating func refuse(_ name: String, _ problem: String) {
    let path = "/config/\(name)"
    // One fault a member is enough: a type's own rule may say more of what every type's says.
    if !problems.contains(where: { $0.path == path }) { problems.append(ValueProblem(path: path, problem: problem)) }
  }

  private mutating func text(_ name: String, isRequired: Bool, _ problem: (String) -> String?) {
    guard let value = member(name) else {
      if isRequired { refuse(name, "is required") }
      return
    }
    guard let text = value.stringValue else { return refuse(name, "must be a string") }
    if let problem = problem(text) { refuse(name, problem) }
  }

  /// A secret text, which stands sealed in what is stored.
  private mutating func secret(_ name: String) {
    guard let value = member(name) else {
      if !hasCredential { refuse(name, "is required, here or in a credential") }
      return
    }
    if value["$sealed"] != nil { return }
    guard let text = value.stringValue else { return refuse(name, "must be a string") }
    if text.isEmpty { refuse(name, "must not be empty") }
  }

  // MARK: - Texts

  private static func isLocalMaster(_ text: String) -> Bool {
    if text == "local" { return true }
    guard text.hasPrefix("local["), text.hasSuffix("]") else { return false }
    let parts = text.dropFirst("local[".count).dropLast().split(separator: ",", omittingEmptySubsequences: false)
    guard let threads = parts.first, parts.count <= 2 else { return false }
    return (threads == "*" || isCount(threads)) && parts.dropFirst().allSatisfy(isCount)
  }

  private static func isCount(_ text: Substring) -> Bool { Int32(text).map { $0 >= 1 } ?? false }

  /// An amount as the JVM and Spark write it: digits and one of k, m, g, t, with or without b.
  private static func isMemory(_ text: String) -> Bool {
    let digits = text.utf8.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    let unit = text.dropFirst(digits.count).lowercased()
    return !digits.isEmpty && digits.count <= 12 && ["", "k", "m", "g", "t", "kb", "mb", "gb", "tb"].contains(unit)
  }

  /// A host and its port.
  private static func isAddress(_ text: Substring) -> Bool {
    guard let colon = text.lastIndex(of: ":"), isHost(text[..<colon]) else { return false }
    return Int32(text[text.index(after: colon)...]).map { (1...65_535).contains($0) } ?? false
  }

  /// A host's name or address: an IPv6 one in brackets.
  private static func isHost(_ text: Substring) -> Bool {
    let inner = text.hasPrefix("[") && text.hasSuffix("]") ? text.dropFirst().dropLast() : text
    let isBracketed = inner.startIndex != text.startIndex
    return !inner.isEmpty
      && inner.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
          true
        case UInt8(ascii: ":"): isBracketed
        default: byte >= 0x80
        }
      }
  }

  /// A URL of one of those schemes with a host, perhaps a port and a path.
  private static func isURL(_ text: Substring, _ schemes: [String]) -> Bool {
    guard let scheme = schemes.first(where: { text.lowercased().hasPrefix("\($0)://") }) else { return false }
    let rest = text.dropFirst(scheme.utf8.count + 3)
    guard rest.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else { return false }
    let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    return isHost(authority) || isAddress(authority)
  }

  /// A name of a Kubernetes namespace (RFC 1123).
  private static func isLabel(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard (1...63).contains(bytes.count), bytes.first != UInt8(ascii: "-"), bytes.last != UInt8(ascii: "-") else {
      return false
    }
    return bytes.allSatisfy { byte in
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || byte == UInt8(ascii: "-")
    }
  }
}
