import Access
import BasicTypes
import CanonicalJSON
import Catalog
import DaybookTestKit
import EventLog

/// One resource, and who sees it.
struct AudienceCase: Sendable {
  let type: String
  /// What is special about it.
  let name: String
  let id: Identifier
  let seenBy: Set<String>
  /// What records it; nil where a command has made it.
  let draft: EventDraft?
}

/// The table of cases: for each type of the catalog, resources that lie on both sides of everything that the catalog
/// says of who sees them.
struct AudienceCases {
  private let world: AudienceWorld
  private(set) var all: [AudienceCase] = []
  /// What lies in the guest's workspace; types come in the order of the catalog, what is referred to first.
  private var pipeline = Identifier.version7(at: .now)
  private var run = Identifier.version7(at: .now)
  /// Of the lab: in Lea's workspace, in another one, and in none.
  private var pages = (seen: Identifier.systemUser, hidden: Identifier.systemUser, free: Identifier.systemUser)
  private var executions = (seen: Identifier.systemUser, hidden: Identifier.systemUser, free: Identifier.systemUser)

  init(_ catalog: Catalog, _ world: AudienceWorld) {
    self.world = world
    for type in catalog.types where type.hasReadModel {
      switch type.name {
      case "organization": addOrganizations()
      case "user": addUsers()
      case "legal_hold": addOverseen(type)
      case "export": addGoverned(type)
      default: addResources(of: type)
      }
    }
  }

  func of(_ type: String) -> [AudienceCase] { all.filter { $0.type == type } }

  private let administrators = AudienceWorld.administrators
  private let guests = AudienceWorld.guests
  private var acmes: Set<String> { AudienceWorld.ofAcme.subtracting(guests).union(administrators) }
  private var others: Set<String> { AudienceWorld.ofOther.union(administrators) }

  private mutating func addOrganizations() {
    made("organization", "acme", world.acme, acmes.union(guests))
    made("organization", "the other one", world.other, others)
  }

  private mutating func addUsers() {
    made("user", "a member of acme", world.users["Ann"], acmes)
    made("user", "a guest of acme", world.users["Guest"], acmes.union(["the guest"]))
    made("user", "a member of the other one", world.users["Stranger"], others)
    made("user", "a member of both", world.users["Both"], acmes.union(others))
    made("user", "a member of none", world.users["Loner"], administrators.union(["Loner"]))
    made("user", "an administrator", world.users["Root"], administrators)
  }

  /// What only officers and auditors of an organization see, and who sees everything.
  private mutating func addOverseen(_ type: ResourceType) {
    resource(type, "acme's", world.acme, [:], administrators.union(["Audrey", "Oscar"]))
    resource(type, "the other one's", world.other, [:], administrators)
    resource(type, "nobody's", nil, [:], administrators)
  }

  /// What those see who administer an organization or hold an office there, and who made it.
  private mutating func addGoverned(_ type: ResourceType) {
    let governors = administrators.union(["Adam", "Olga", "a key that administers", "Audrey", "Oscar"])
    let strangers = administrators.union(["a foreign key"])
    func by(_ name: String) -> JSONObject { ["created_by": .string(world.users[name] ?? "")] }
    resource(type, "acme's", world.acme, [:], governors)
    resource(type, "the other one's", world.other, [:], strangers)
    resource(type, "nobody's", nil, [:], administrators)
    resource(type, "Ann's", world.acme, by("Ann"), governors.union(["Ann"]))
    resource(type, "Olga's", world.acme, by("Olga"), governors.union(["Olga's key", "a session naming Olga"]))
    resource(type, "the guest's", world.acme, by("Guest"), governors)
    resource(type, "a stranger's in acme", world.acme, by("Stranger"), governors)
    resource(type, "Ann's in the other one", world.other, by("Ann"), strangers)
  }

  private mutating func addResources(of type: ResourceType) {
    let dead: JSONObject = ["deleted_at": "2026-01-01T00:00:00Z"]
    resource(type, "acme's", world.acme, [:], acmes)
    resource(type, "acme's, deleted", world.acme, dead, acmes)
    resource(type, "the other one's", world.other, [:], others)
    if type.organization == .optional { resource(type, "nobody's", nil, [:], administrators) }
    addPlaced(type)
    addNarrowed(type)
    if ["invitation", "membership", "workspace_member"].contains(type.name) {
      // Whom it is about sees it without belonging there: an invitation, or a place that they had.
      let loner: JSONObject = ["user_id": .string(world.users["Loner"] ?? "")]
      let guest: JSONObject = [
        "user_id": .string(world.users["Guest"] ?? ""), "role": type.name == "membership" ? "member" : "viewer",
        "is_guest": true,
      ]
      resource(type, "the guest's in acme", world.acme, guest, acmes.union(["the guest"]))
      resource(type, "Loner's in acme", world.acme, loner.merging(dead), acmes.union(["Loner"]))
    }
    if let visibility = type.visibility { addAddressed(type, visibility) }
    for field in type.publicFields {
      let open: JSONObject = [field: true]
      resource(type, "the other one's, \(field)", world.other, open, AudienceWorld.readers)
      resource(type, "the other one's, not \(field)", world.other, [field: false], others)
      resource(type, "the other one's, \(field), deleted", world.other, open.merging(dead), others)
      if type.organization == .optional {
        resource(type, "nobody's, \(field)", nil, open, AudienceWorld.readers)
        resource(type, "nobody's, \(field), deleted", nil, open.merging(dead), administrators)
      }
    }
  }

  /// What lies in a workspace, is for its guests too. Whether a member has a place there changes nothing for them.
  private mutating func addPlaced(_ type: ResourceType) {
    let elsewhere = JSON.string(Identifier.version7(at: .now).text)
    if type.name == "workspace" { made("workspace", "the guest's", world.studio, acmes.union(guests)) }
    if type.field("workspace_id") != nil {
      resource(type, "in another workspace", world.acme, ["workspace_id": elsewhere], acmes)
      // Members, links and the like are in a workspace, too, but give access to it.
      let seers = Audience.Placement(of: type.name) == .direct ? acmes.union(guests) : acmes
      let placed: JSONObject = ["workspace_id": .string(world.studio)]
      let id = resource(type, "in the guest's workspace", world.acme, placed, seers)
      resource(type, "in the guest's workspace, but the other one's", world.other, placed, others)
      if type.name == "pipeline" { pipeline = id }
    }
    if type.name == "run" {
      resource(type, "of a pipeline elsewhere", world.acme, ["pipeline_id": elsewhere], acmes)
      let placed: JSONObject = ["pipeline_id": .string(pipeline.text)]
      run = resource(type, "of a pipeline in the guest's workspace", world.acme, placed, acmes.union(guests))
    }
    if type.name == "task_run" {
      resource(type, "of a run elsewhere", world.acme, ["run_id": elsewhere], acmes)
      let placed: JSONObject = ["run_id": .string(run.text)]
      resource(type, "of a run in the guest's workspace", world.acme, placed, acmes.union(guests))
    }
  }

  /// What members of ETLab and of MecaPy don't share with each other.
  private mutating func addNarrowed(_ type: ResourceType) {
    let lab = administrators.union(AudienceWorld.ofLab)
    let (lea, leo): (Set<String>, Set<String>) = (
      ["Lea", "a session naming Lea"], ["Leo", "a session naming Leo"]
    )
    func by(_ name: String, _ more: JSONObject = [:]) -> JSONObject {
      more.merging(["created_by": .string(world.users[name] ?? "")])
    }
    switch type.name {
    case "workspace":
      made("workspace", "Lea's", world.bench, lab.union(lea))
      made("workspace", "nobody's of the lab", world.cellar, lab)
      resource(type, "one that Leo made and left", world.lab, by("Leo"), lab)
    case "workspace_member", "share_link":
      resource(type, "in Lea's workspace", world.lab, by("Leo", ["workspace_id": .string(world.bench)]), lab.union(lea))
      resource(type, "in the cellar", world.lab, by("Leo", ["workspace_id": .string(world.cellar)]), lab)
    case "pipeline", "schema_definition":
      let id = resource(
        type, "in Lea's workspace", world.lab, by("Leo", ["workspace_id": .string(world.bench)]), lab.union(lea))
      let cellar = resource(type, "in the cellar", world.lab, by("Leo", ["workspace_id": .string(world.cellar)]), lab)
      let free = resource(type, "Leo's in no workspace", world.lab, by("Leo"), lab.union(leo))
      if type.name == "pipeline" { pages = (id, cellar, free) }
    case "run":
      func of(_ page: Identifier) -> JSONObject { ["pipeline_id": .string(page.text)] }
      let seen = resource(type, "of a page of Lea's workspace", world.lab, by("Leo", of(pages.seen)), lab.union(lea))
      let hidden = resource(type, "of a page of the cellar", world.lab, by("Leo", of(pages.hidden)), lab)
      resource(type, "of a page of no workspace", world.lab, by("Lea", of(pages.free)), lab.union(lea))
      let free = resource(type, "Leo's of code", world.lab, by("Leo"), lab.union(leo))
      executions = (seen, hidden, free)
    case "task_run":
      func of(_ run: Identifier) -> JSONObject { ["run_id": .string(run.text)] }
      resource(type, "in Lea's workspace", world.lab, by("Leo", of(executions.seen)), lab.union(lea))
      resource(type, "in the cellar", world.lab, by("Leo", of(executions.hidden)), lab)
      resource(type, "Leo's of code", world.lab, by("Leo", of(executions.free)), lab.union(leo))
    case "file":
      let meca = administrators.union(AudienceWorld.ofMeca)
      let mia: JSONObject = ["owner_id": .string(world.users["Mia"] ?? "")]
      let (one, all): (Set<String>, Set<String>) = (
        ["Mia", "a session naming Mia"], ["Mia", "a session naming Mia", "Max", "a session naming Max"]
      )
      resource(type, "Mia's", world.meca, mia.merging(["is_public": false]), meca.union(one))
      resource(type, "Mia's, public", world.meca, mia.merging(["is_public": true]), meca.union(all))
      resource(type, "of no owner", world.meca, by("Mia"), meca)
    default: break
    }
  }

  private mutating func addAddressed(_ type: ResourceType, _ visibility: Visibility) {
    let stewards = administrators.union(["Adam", "Olga", "a key that administers"])
    func to(_ name: String, _ more: JSONObject = [:]) -> JSONObject {
      more.merging([visibility.field: .string(world.users[name] ?? "")])
    }
    resource(type, "Ann's", world.acme, to("Ann"), stewards.union(["Ann"]))
    resource(
      type, "Olga's", world.acme, to("Olga"), stewards.union(["Olga's key", "a session naming Olga"]))
    resource(type, "the guest's", world.acme, to("Guest"), stewards.union(guests))
    resource(type, "the guest's in the other one", world.other, to("Guest"), administrators.union(["a foreign key"]))
    resource(type, "a stranger's in acme", world.acme, to("Stranger"), stewards)
    resource(type, "Ann's in the other one", world.other, to("Ann"), administrators.union(["a foreign key"]))
    guard let flag = visibility.unless else { return }
    resource(type, "Ann's, \(flag)", world.acme, to("Ann", [flag: true]), acmes)
    resource(type, "Ann's, not \(flag)", world.acme, to("Ann", [flag: false]), stewards.union(["Ann"]))
    resource(type, "Ann's in the other one, \(flag)", world.other, to("Ann", [flag: true]), others)
  }

  private mutating func made(_ type: String, _ name: String, _ id: String?, _ seenBy: Set<String>) {
    guard let id = id.flatMap({ Identifier($0) }) else { return }
    all.append(AudienceCase(type: type, name: name, id: id, seenBy: seenBy, draft: nil))
  }

  @discardableResult
  private mutating func resource(
    _ type: ResourceType, _ name: String, _ organization: String?, _ fields: JSONObject, _ seenBy: Set<String>
  ) -> Identifier {
    let id = Identifier.version7(at: .now)
    var draft = EventDraft(event: "\(type.name).created", type: type.name, resource: id, actor: "local:0")
    draft.organization = organization.flatMap { Identifier($0) }
    draft.set = fields.merging(["number": .integer(Int64(1_000_000 + all.count))])
    if let organization { draft.set["organization_id"] = .string(organization) }
    all.append(AudienceCase(type: type.name, name: name, id: id, seenBy: seenBy, draft: draft))
    return id
  }
}
