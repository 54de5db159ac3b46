import BasicTypes
import CanonicalJSON
import EventLog

/// What reports kept beside the fields, read back for a run, a job's pipeline or a dataset.
enum KeptFacets {
  /// Whose facets of a report are shown.
  enum Part: String, Sendable {
    /// Everything that the reports of the run kept.
    case run
    /// What they kept of the job.
    case pipeline
    /// What they kept of the dataset.
    case dataset
  }

  /// Where a page ended.
  struct Place: Sendable {
    /// The number of the run whose reports are read; nil while the resource's own are.
    let run: Int64?
    /// The version before which it goes on.
    let version: Int64

    init(run: Int64?, version: Int64) {
      self.run = run
      self.version = version
    }

    /// What a cursor holds.
    init?(_ json: JSON) {
      guard let version = json["version"]?.integerValue else { return nil }
      self.init(run: json["run"]?.integerValue, version: version)
    }

    var json: JSON { ["run": run.map(JSON.integer) ?? .null, "version": .integer(version)] }
  }

  /// A page that fills up.
  struct Page: Sendable {
    private let state: ResourceState
    private let part: Part
    private let limit: Int
    private var items: [JSON] = []
    private var bytes = 0
    /// How many events were looked at.
    var scanned = 0
    /// Where the next page begins; nil where this one has room.
    var next: Place?

    init(of state: ResourceState, _ part: Part, limit: Int) {
      self.state = state
      self.part = part
      self.limit = limit
    }

    /// Whether there is room: for an item, for its bytes, and for looking at another event.
    var takesMore: Bool { items.count < limit && bytes < PagedTable.maximumBytes && scanned < 10_000 }

    /// The items, and where the next page begins.
    var answer: (items: [JSON], next: JSON?) { (items, next?.json) }

    /// Adds a report, where it kept something of what the page is about.
    mutating func add(_ header: EventHeader, _ data: JSONObject, bytes: Int) {
      // What its retention has ended is told as null: it can't be said any more of whom it spoke.
      let isExpired = data["facets"]?.isNull == true
      let facets = isExpired ? .null : own(of: data["facets"])
      guard isExpired || facets != nil else { return }
      var item: JSONObject = [
        "position": JSON(position: header.position), "at": .string(header.at.text), "facets": facets ?? .null,
      ]
      for name in ["event_time", "event_type", "producer", "schema_url"] { item[name] = data[name] }
      if header.resource != state.id { item["run_id"] = .string(header.resource.text) }
      items.append(.object(item))
      self.bytes += bytes
    }

    private func own(of facets: JSON?) -> JSON? {
      switch part {
      case .run: return facets
      case .pipeline: return facets?["job"]
      case .dataset:
        var own = JSONObject()
        for (key, role) in [("inputs", "input"), ("outputs", "output")] {
          let found = (facets?[key]?.arrayValue ?? []).filter(isOwn)
          if !found.isEmpty { own[role] = found.count == 1 ? found[0] : .array(found) }
        }
        if let alone = facets?["dataset"], isOwn(alone) { own["dataset"] = alone }
        return own.isEmpty ? nil : .object(own)
      }
    }

    private func isOwn(_ dataset: JSON) -> Bool {
      dataset["namespace"] == state.fields["namespace"] && dataset["name"] == state.fields["name"]
    }
  }

  /// An item of a page.
  static let schema = Schemas.object(
    ["at": Schemas.time, "facets": ["type": ["object", "null"]], "position": Schemas.integer],
    besides: [
      "event_time": Schemas.time, "event_type": Schemas.string, "producer": Schemas.string,
      "run_id": Schemas.identifier, "schema_url": Schemas.string,
    ])
}
