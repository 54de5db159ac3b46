import Catalog

extension QueryMethod {
  /// Every query of a server with this catalog. One more is one more entry here.
  static func all(of catalog: Catalog) -> [QueryMethod] {
    catalog.types.filter(\.hasReadModel).flatMap(queries) + [
      auditSearch(catalog), systemLogs, lineageGraph, logRead, logHeaders, logHead, logCheckpoint, logProof, logTile,
      projectionStatus, recordsOfProcessing, breachReport, subjectFind, subjectReport, subjectReceipt,
      subjectListExports, permissionsAsOf, namespaceRules,
    ]
  }

  /// The queries about the resources of a type.
  private static func queries(about type: ResourceType) -> [QueryMethod] {
    var queries = [get(type), list(type), history(type), diff(type)]
    if !type.versionedContent.isEmpty { queries.append(versions(type)) }
    if type.hasSchedule { queries.append(nextRuns(type)) }
    if let facets = facets(of: type) { queries.append(facets) }
    return queries + RunRecords.all(of: type).map { runRecords($0, of: type) }
  }
}
