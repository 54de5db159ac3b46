import Access
import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Postgres
import Testing

/// Two organizations, one of ETLab and one of MecaPy, everybody who may ask, and the same persons as sessions of SQL
/// roles.
struct AudienceWorld {
  /// Somebody who asks, by one or both of the two ways in.
  struct Asker: Sendable {
    let name: String
    /// Who asks through the socket: lists, and gets.
    var principal: Principal?
    /// The SQL role whose session asks, and the user whom it names.
    var session: Session?
  }

  /// A session of an SQL role.
  struct Session: Sendable {
    let role: String
    let user: String?
  }

  /// Who sees everything: administrators, and an auditor of the whole service.
  static let administrators: Set<String> = ["the local administrator", "Root", "Inspector"]
  static let ofAcme: Set<String> = [
    "Ann", "Bob", "the guest", "Adam", "Olga", "Audrey", "Oscar", "Both", "a key that reads", "a key that administers",
    "Olga's key", "a session naming Olga", "a session naming the guest",
  ]
  /// Who reads only what lies in the workspace where they have a place, and what is theirs.
  static let guests: Set<String> = ["the guest", "a session naming the guest"]
  static let ofOther: Set<String> = ["Stranger", "Both", "a foreign key"]
  /// Of the two platforms whose members don't share everything: who reads all of the organization.
  static let ofLab: Set<String> = ["Lars", "a session of the lab"]
  static let ofMeca: Set<String> = ["Mo", "a session of meca"]
  static let narrowed: Set<String> = [
    "Lea", "a session naming Lea", "Leo", "a session naming Leo", "Mia", "a session naming Mia", "Max",
    "a session naming Max",
  ]
  /// Everybody who has signed in, and the keys that read something.
  static let readers: Set<String> = administrators.union(ofAcme).union(ofOther).union(["Loner"]).union(
    ofLab
  ).union(ofMeca).union(narrowed)

  let acme: String
  let other: String
  /// A workspace of acme, in which the guest has a place.
  let studio: String
  /// An organization of ETLab, a workspace of it in which Lea has a place, and one in which nobody has.
  let lab: String
  let bench: String
  let cellar: String
  /// An organization of MecaPy.
  let meca: String
  /// The users of both organizations and of none, by name.
  let users: [String: String]
  let askers: [Asker]

  /// Makes everything by commands.
  init(_ library: TestQueries) async throws {
    let acme = try await library.organization("acme")
    let other = try await library.organization("other")
    (self.acme, self.other) = (acme, other)
    var users: [String: String] = [:]
    func user(_ name: String, _ role: String = "viewer") async throws {
      users[name] = try await library.make(
        "user", ["email": .string("\(name.lowercased())@example.org"), "role": .string(role)])
    }
    func join(_ name: String, _ organization: String, _ role: String = "member", isGuest: Bool = false) async throws {
      var params: JSONObject = [
        "user_id": .string(users[name] ?? ""), "organization_id": .string(organization), "role": .string(role),
      ]
      if isGuest { params["is_guest"] = true }
      _ = try await library.make("membership", params)
    }
    for (name, role, membership) in [
      ("Ann", "viewer", "member"), ("Bob", "developer", "member"), ("Adam", "viewer", "admin"),
      ("Olga", "viewer", "owner"), ("Audrey", "auditor", "member"), ("Oscar", "officer", "member"),
      ("Both", "viewer", "member"),
    ] {
      try await user(name, role)
      try await join(name, acme, membership)
    }
    try await user("Guest", "developer")
    try await join("Guest", acme, isGuest: true)
    studio = try await library.make("workspace", ["name": "studio", "organization_id": .string(acme)])
    _ = try await library.make(
      "workspace_member",
      ["workspace_id": .string(studio), "user_id": .string(users["Guest"] ?? ""), "role": "viewer"])
    try await join("Both", other)
    try await user("Stranger")
    try await join("Stranger", other)
    try await user("Loner")
    try await user("Root", "admin")
    try await user("Inspector", "auditor")
    try await library.call("user.edit", ["id": .string(users["Inspector"] ?? ""), "is_staff": true])
    lab = try await library.models.domain.organization("lab", platform: "etlab")
    meca = try await library.models.domain.organization("meca", platform: "mecapy")
    for (name, organization, membership) in [
      ("Lars", lab, "owner"), ("Lea", lab, "member"), ("Leo", lab, "member"), ("Mo", meca, "owner"),
      ("Mia", meca, "member"), ("Max", meca, "member"),
    ] {
      users[name] = try await library.make(
        "user",
        [
          "email": .string("\(name.lowercased())@example.org"), "role": "viewer", "display_name": .string(name),
          "username": .string(name.lowercased()), "keycloak_id": .string("kc-\(name)"),
        ])
      try await join(name, organization, membership)
    }
    bench = try await library.make("workspace", ["name": "bench", "organization_id": .string(lab)])
    cellar = try await library.make("workspace", ["name": "cellar", "organization_id": .string(lab)])
    _ = try await library.make(
      "workspace_member",
      ["workspace_id": .string(bench), "user_id": .string(users["Lea"] ?? ""), "role": "viewer"])
    self.users = users
    let suffix = String(UInt32.random(in: 0...UInt32.max))
    let (ours, theirs) = ("audience_acme_\(suffix)", "audience_other_\(suffix)")
    let (labs, mecas) = ("audience_lab_\(suffix)", "audience_meca_\(suffix)")
    for (name, organization) in [(ours, acme), (theirs, other), (labs, lab), (mecas, meca)] {
      _ = try await library.make(
        "sql_role", ["name": .string(name), "organization_id": .string(organization), "personal": false])
    }
    func person(_ name: String) throws -> Principal {
      let id = try #require(users[name].flatMap { Identifier($0) })
      return try #require(try library.engine.principal(forUser: id))
    }
    func key(_ organization: String, _ verbs: JSON, by maker: Principal = TestDomain.administrator) async throws
      -> Principal
    {
      let made = try await library.call(
        "api_key.create",
        ["name": "k", "organization_id": .string(organization), "permissions": ["*": verbs]], as: maker)
      return try #require(try library.engine.principal(forKey: JSON.object(made).text("api_key")))
    }
    var askers = [Asker(name: "the local administrator", principal: TestDomain.administrator)]
    for name in ["Root", "Inspector", "Adam", "Olga", "Audrey", "Oscar", "Both", "Loner"] {
      askers.append(Asker(name: name, principal: try person(name)))
    }
    // Who only reads as a member is the same, whichever way they come.
    askers.append(Asker(name: "Ann", principal: try person("Ann"), session: Session(role: ours, user: users["Ann"])))
    askers.append(Asker(name: "Bob", principal: try person("Bob"), session: Session(role: ours, user: users["Bob"])))
    askers.append(Asker(name: "the guest", principal: try person("Guest")))
    askers.append(Asker(name: "a session naming the guest", session: Session(role: ours, user: users["Guest"])))
    askers.append(
      Asker(
        name: "Stranger", principal: try person("Stranger"), session: Session(role: theirs, user: users["Stranger"])))
    // A role reads for its organization, as a key does that may read and administer everything there.
    askers.append(
      Asker(
        name: "a key that administers", principal: try await key(acme, ["read", "admin"]),
        session: Session(role: ours, user: nil)))
    askers.append(
      Asker(
        name: "a foreign key", principal: try await key(other, ["read", "admin"]),
        session: Session(role: theirs, user: nil)))
    askers.append(Asker(name: "a key that reads", principal: try await key(acme, ["read"])))
    askers.append(Asker(name: "a key that only writes", principal: try await key(acme, ["write"])))
    askers.append(Asker(name: "Olga's key", principal: try await key(acme, ["read"], by: try person("Olga"))))
    for (name, role) in [("Lea", labs), ("Leo", labs), ("Mia", mecas), ("Max", mecas)] {
      askers.append(Asker(name: name, principal: try person(name)))
      askers.append(Asker(name: "a session naming \(name)", session: Session(role: role, user: users[name])))
    }
    for name in ["Lars", "Mo"] { askers.append(Asker(name: name, principal: try person(name))) }
    askers.append(Asker(name: "a session of the lab", session: Session(role: labs, user: nil)))
    askers.append(Asker(name: "a session of meca", session: Session(role: mecas, user: nil)))
    // A session that names somebody reads as that member, without what they administer.
    askers.append(Asker(name: "a session naming Olga", session: Session(role: ours, user: users["Olga"])))
    askers.append(Asker(name: "a session naming Stranger", session: Session(role: ours, user: users["Stranger"])))
    self.askers = askers
  }
}
