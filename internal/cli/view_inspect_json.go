package cli

import "github.com/kferry/kferry/internal/inspect"

// inspectJSON is the answer for programs.
type inspectJSON struct {
	header
	Cluster string `json:"cluster"`
	// Source is the cluster that it was compared with; null without.
	Source *string `json:"source"`
	// Exact: nothing stands in the way on any of the topics; exit code 0.
	Exact  bool               `json:"exact_possible"`
	Topics []inspectTopicJSON `json:"topics"`
}

type inspectTopicJSON struct {
	Topic             string                 `json:"topic"`
	ID                string                 `json:"topic_id"`
	Mover             string                 `json:"mover"`
	Alias             string                 `json:"alias"`
	Evidence          string                 `json:"evidence"`
	How               []string               `json:"how"`
	Header            string                 `json:"header"`
	Encoding          string                 `json:"encoding"`
	PartitionHeader   string                 `json:"partition_header"`
	PartitionEncoding string                 `json:"partition_encoding"`
	NamedClusters     []string               `json:"named_clusters"`
	NamedTopics       []string               `json:"named_topics"`
	NamedPipelines    []string               `json:"named_pipelines"`
	SourceTopic       string                 `json:"source_topic"`
	SourceTopicID     string                 `json:"source_topic_id"`
	SourcePartitions  *int64                 `json:"source_partitions"`
	Mapping           string                 `json:"mapping"`
	Exact             bool                   `json:"exact_possible"`
	Full              bool                   `json:"full"`
	Records           int64                  `json:"records"`
	Offsets           int64                  `json:"offsets"`
	Bytes             int64                  `json:"bytes"`
	Reads             int64                  `json:"reads"`
	Partitions        []inspectPartitionJSON `json:"partitions"`
	Findings          []inspectFindingJSON   `json:"findings"`
}

type inspectPartitionJSON struct {
	Partition   int32              `json:"partition"`
	Start       *int64             `json:"log_start"`
	End         *int64             `json:"log_end"`
	Stable      *int64             `json:"last_stable"`
	Seen        int64              `json:"seen"`
	Foreign     *int64             `json:"foreign"`
	Markers     int64              `json:"markers"`
	Undecodable int64              `json:"undecodable"`
	Compared    int64              `json:"compared"`
	Equal       int64              `json:"equal"`
	Error       string             `json:"error,omitempty"`
	Sources     []inspectTrackJSON `json:"sources"`
}

type inspectTrackJSON struct {
	Cluster       string `json:"cluster"`
	Topic         string `json:"topic"`
	Partition     *int64 `json:"partition"`
	Copies        *int64 `json:"copies"`
	Aborted       *int64 `json:"aborted"`
	Lowest        *int64 `json:"lowest"`
	Highest       *int64 `json:"highest"`
	Last          *int64 `json:"last"`
	LastAt        *int64 `json:"last_at"`
	Passes        *int64 `json:"passes"`
	Repeats       *int64 `json:"repeats"`
	Holes         *int64 `json:"holes"`
	CopiedThrough *int64 `json:"copied_through"`
	AtLeast       bool   `json:"at_least"`
	SourceStart   *int64 `json:"source_start"`
	SourceEnd     *int64 `json:"source_end"`
	Lag           *int64 `json:"lag"`
	LagExact      bool   `json:"lag_exact"`
}

type inspectFindingJSON struct {
	Severity  string `json:"severity"`
	Reason    string `json:"reason"`
	Partition *int64 `json:"partition"`
	Detail    string `json:"detail"`
	Hint      string `json:"hint"`
}

func inspectDoc(target, source *side, r *inspect.Report) inspectJSON {
	doc := inspectJSON{header: head("topic-inspect"), Cluster: target.cluster.Name(), Exact: !r.Obstacles(), Topics: []inspectTopicJSON{}}
	if source != nil {
		name := source.cluster.Name()
		doc.Source = &name
	}
	for i := range r.Topics {
		doc.Topics = append(doc.Topics, inspectTopicDoc(&r.Topics[i]))
	}
	return doc
}

func inspectTopicDoc(t *inspect.Topic) inspectTopicJSON {
	out := inspectTopicJSON{
		Topic: t.Name, Mover: t.Mover, Alias: t.Alias, Evidence: string(t.Evidence), How: list(t.How),
		Header: t.Header, Encoding: t.Encoding, PartitionHeader: t.PartitionHeader, PartitionEncoding: t.PartitionEncoding,
		NamedClusters: list(t.Clusters), NamedTopics: list(t.Topics), NamedPipelines: list(t.Pipelines),
		SourceTopic: t.Source, Mapping: string(t.Mapping), Exact: !t.Obstacles(), Full: t.Full,
		Records: t.Records, Offsets: t.Offsets, Bytes: t.Bytes, Reads: t.Fetches,
		Partitions: []inspectPartitionJSON{}, Findings: []inspectFindingJSON{},
	}
	if !t.ID.IsZero() {
		out.ID = t.ID.String()
	}
	if t.Source != "" {
		out.SourcePartitions = known(int64(t.SourcePartitions))
		if !t.SourceID.IsZero() {
			out.SourceTopicID = t.SourceID.String()
		}
	}
	for i := range t.Partitions {
		out.Partitions = append(out.Partitions, inspectPartitionDoc(&t.Partitions[i]))
	}
	for _, f := range t.Findings {
		out.Findings = append(out.Findings, inspectFindingJSON{
			Severity: string(f.Severity), Reason: string(f.Reason), Partition: known(int64(f.Partition)), Detail: f.Detail, Hint: f.Hint,
		})
	}
	return out
}

func inspectPartitionDoc(p *inspect.Partition) inspectPartitionJSON {
	out := inspectPartitionJSON{
		Partition: p.Partition, Start: known(p.Start), End: known(p.End), Stable: known(p.Stable), Seen: p.Seen, Foreign: known(p.Natives),
		Markers: p.Markers, Undecodable: p.Undecodable, Compared: p.Compared, Equal: p.Equal, Sources: []inspectTrackJSON{},
	}
	if p.Err != nil {
		out.Error = p.Err.Error()
	}
	for i := range p.Tracks {
		x := &p.Tracks[i]
		out.Sources = append(out.Sources, inspectTrackJSON{
			Cluster: x.Origin.Cluster, Topic: x.Origin.Topic, Partition: known(int64(x.Origin.Partition)),
			Copies: known(x.Copies), Aborted: known(x.Aborted), Lowest: known(x.Lowest), Highest: known(x.Highest),
			Last: known(x.Last), LastAt: known(x.LastAt), Passes: known(x.Passes), Repeats: known(x.Repeats), Holes: known(x.Holes),
			CopiedThrough: known(x.CopiedThrough), AtLeast: x.AtLeast, SourceStart: known(x.SourceStart), SourceEnd: known(x.SourceEnd),
			Lag: known(x.Lag), LagExact: x.LagExact,
		})
	}
	return out
}
