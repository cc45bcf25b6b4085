"""What Pachyderm 2.12's protocol has beyond python-pachyderm 7.6.0's generated code: names and field numbers.

One line each:  message NAME: field number type (oneof), ...   a new message
                extend NAME: - removed, field number type, ...  a message that changed
                enum NAME: VALUE number, ...                   rpc SERVICE/METHOD: [stream] REQUEST -> [stream] ANSWER
A type is a scalar, `enum NAME`, `map` (string to string) or a message's full name; `*` before it means repeated.
Source: the protocol of Pachyderm 2.12 (field numbers and names are the wire format).
"""

DIFFERENCES = """
message pfs_v2.RepoPicker: name 1 pfs_v2.RepoPicker.RepoName (picker)
message pfs_v2.RepoPicker.RepoName: project 1 pfs_v2.ProjectPicker, name 2 string, type 3 string
message pfs_v2.BranchPicker: name 1 pfs_v2.BranchPicker.BranchName (picker)
message pfs_v2.BranchPicker.BranchName: repo 1 pfs_v2.RepoPicker, name 2 string
extend pfs_v2.RepoInfo: metadata 8 map
extend pfs_v2.BranchInfo: metadata 7 map, created_by 8 string, created_at 9 google.protobuf.Timestamp, updated_at 10
  google.protobuf.Timestamp, branch_propagation_specs 11 *pfs_v2.BranchPropagationSpec
message pfs_v2.BranchPropagationSpec: branch 1 pfs_v2.Branch, propagation_spec 2 pfs_v2.PropagationSpec
message pfs_v2.PropagationSpec: never 1 bool
message pfs_v2.CommitPicker: branch_head 1 pfs_v2.BranchPicker (picker), id 2 pfs_v2.CommitPicker.CommitByGlobalId
  (picker), ancestor 3 pfs_v2.CommitPicker.AncestorOf (picker), branch_root 4 pfs_v2.CommitPicker.BranchRoot (picker)
message pfs_v2.CommitPicker.CommitByGlobalId: repo 1 pfs_v2.RepoPicker, id 2 string
message pfs_v2.CommitPicker.BranchRoot: offset 1 uint32, branch 2 pfs_v2.BranchPicker
message pfs_v2.CommitPicker.AncestorOf: offset 1 uint32, start 2 pfs_v2.CommitPicker
extend pfs_v2.CommitInfo: metadata 14 map, direct_subvenance 15 *pfs_v2.Commit, created_by 16 string, created_at 17
  google.protobuf.Timestamp, updated_at 18 google.protobuf.Timestamp
extend pfs_v2.ProjectInfo: metadata 5 map, created_by 6 string
message pfs_v2.ProjectPicker: name 1 string (picker)
extend pfs_v2.ListRepoRequest: page 3 pfs_v2.RepoPage
message pfs_v2.RepoPage: order 1 enum pfs_v2.RepoPage.Ordering, page_size 2 int64, page_index 3 int64
message pfs_v2.DeleteRepoResponse: deleted 1 bool
message pfs_v2.SquashCommitRequest: commit 1 pfs_v2.Commit, recursive 2 bool
message pfs_v2.SquashCommitResponse
message pfs_v2.DropCommitRequest: commit 1 pfs_v2.Commit, recursive 2 bool
message pfs_v2.WalkCommitProvenanceRequest: start 1 *pfs_v2.CommitPicker, max_commits 2 uint64, max_depth 3 uint64
message pfs_v2.WalkCommitSubvenanceRequest: start 1 *pfs_v2.CommitPicker, max_commits 2 uint64, max_depth 3 uint64
message pfs_v2.WalkBranchProvenanceRequest: start 1 *pfs_v2.BranchPicker, max_branches 2 uint64, max_depth 3 uint64
message pfs_v2.WalkBranchSubvenanceRequest: start 1 *pfs_v2.BranchPicker, max_branches 2 uint64, max_depth 3 uint64
message pfs_v2.DropCommitResponse
extend pfs_v2.CreateBranchRequest: branch_propagation_specs 6 *pfs_v2.BranchPropagationSpec
message pfs_v2.InspectProjectV2Request: project 1 pfs_v2.Project
message pfs_v2.InspectProjectV2Response: info 1 pfs_v2.ProjectInfo, defaults_json 2 string
extend pfs_v2.GetFileSetRequest: type 2 enum pfs_v2.GetFileSetRequest.FileSetType
extend pfs_v2.ShardFileSetRequest: num_files 2 int64, size_bytes 3 int64
message pfs_v2.ReposSummaryRequest: projects 1 *pfs_v2.ProjectPicker
message pfs_v2.ReposSummary: project 1 pfs_v2.Project, user_repo_count 2 int64, size_bytes 3 int64
message pfs_v2.ReposSummaryResponse: summaries 1 *pfs_v2.ReposSummary
message pfs_v2.ForgetCommitRequest: commit 1 pfs_v2.CommitPicker
message pfs_v2.ForgetCommitResponse
extend admin_v2.ClusterInfo: - version_warnings_ok, - version_warnings, warnings_ok 3 bool, warnings 4 *string,
  paused 7 bool, web_resources 8 admin_v2.WebResource, metadata 9 map, pending_restart 10 bool, restart_info 11 string
message admin_v2.WebResource: archive_download_base_url 1 string, create_pipeline_request_json_schema_url 2 string
message admin_v2.RestartPachydermRequest: reason 1 string
message admin_v2.RestartPachydermResponse
extend pps_v2.PFSInput: propagation_spec 15 pfs_v2.PropagationSpec, reference 16 bool
extend pps_v2.PipelineInfo: - details_json, user_spec_json 13 string, effective_spec_json 14 string, metadata 15 map
extend pps_v2.PipelineInfo.Details: maximum_expected_uptime 37 google.protobuf.Duration, workers_started_at 38
  google.protobuf.Timestamp, updated_at 39 google.protobuf.Timestamp, created_by 40 string
message pps_v2.StartCreateDatumRequest: input 1 pps_v2.Input, number 2 int32
message pps_v2.ContinueCreateDatumRequest: number 1 int32
message pps_v2.CreateDatumRequest: start 1 pps_v2.StartCreateDatumRequest (body), continue 2
  pps_v2.ContinueCreateDatumRequest (body)
message pps_v2.RerunPipelineRequest: pipeline 1 pps_v2.Pipeline, reprocess 15 bool
extend pps_v2.CreatePipelineRequest: - details_json, maximum_expected_uptime 39 google.protobuf.Duration
message pps_v2.CreatePipelineV2Request: create_pipeline_request_json 1 string, dry_run 2 bool, update 3 bool,
  reprocess 4 bool
message pps_v2.CreatePipelineV2Response: effective_create_pipeline_request_json 1 string
extend pps_v2.ListPipelineRequest: page 7 pps_v2.PipelinePage
message pps_v2.PipelinePage: order 1 enum pps_v2.PipelinePage.Ordering, page_size 2 int64, page_index 3 int64
extend pps_v2.DeletePipelineRequest: must_exist 5 bool
extend pps_v2.StopPipelineRequest: must_exist 2 bool
message pps_v2.CheckStatusRequest: all 1 bool (context), project 2 pfs_v2.Project (context)
message pps_v2.CheckStatusResponse: project 1 pfs_v2.Project, pipeline 2 pps_v2.Pipeline, alerts 3 *string
extend pps_v2.ClusterDefaults: - details_json, - effective_details_json, create_pipeline_request 3
  pps_v2.CreatePipelineRequest
extend pps_v2.GetClusterDefaultsResponse: - cluster_defaults, cluster_defaults_json 2 string
extend pps_v2.SetClusterDefaultsRequest: - cluster_defaults, cluster_defaults_json 5 string
extend pps_v2.SetClusterDefaultsResponse: - effective_details_json
message pps_v2.CreatePipelineTransaction: create_pipeline_request 1 pps_v2.CreatePipelineRequest, user_json 2
  string, effective_json 3 string, created_by 4 string
message pps_v2.ProjectDefaults: create_pipeline_request 1 pps_v2.CreatePipelineRequest
message pps_v2.GetProjectDefaultsRequest: project 1 pfs_v2.Project
message pps_v2.GetProjectDefaultsResponse: project_defaults_json 1 string, created_by 2 string, created_at 3
  google.protobuf.Timestamp
message pps_v2.SetProjectDefaultsRequest: project 1 pfs_v2.Project, regenerate 2 bool, reprocess 3 bool, dry_run 4
  bool, project_defaults_json 5 string
message pps_v2.SetProjectDefaultsResponse: affected_pipelines 1 *pps_v2.Pipeline
message pps_v2.PipelinesSummaryRequest: projects 1 *pfs_v2.ProjectPicker
message pps_v2.PipelinesSummaryResponse: summaries 1 *pps_v2.PipelinesSummary
message pps_v2.PipelinesSummary: project 1 pfs_v2.Project, active_pipelines 2 int64, paused_pipelines 3 int64,
  failed_pipelines 4 int64, unhealthy_pipelines 5 int64
message pps_v2.PipelinePicker: name 1 pps_v2.PipelinePicker.PipelineName (picker)
message pps_v2.PipelinePicker.PipelineName: project 1 pfs_v2.ProjectPicker, name 2 string
message logs.LogQuery: user 1 logs.UserLogQuery (query_type), admin 2 logs.AdminLogQuery (query_type)
message logs.AdminLogQuery: logql 1 string (admin_type), pod 2 string (admin_type), pod_container 3
  logs.PodContainer (admin_type), app 4 string (admin_type), master 5 logs.PipelineLogQuery (admin_type), storage 6
  logs.PipelineLogQuery (admin_type), user 7 logs.UserLogQuery (admin_type)
message logs.PodContainer: pod 1 string, container 2 string
message logs.UserLogQuery: project 1 string (user_type), pipeline 2 logs.PipelineLogQuery (user_type), datum 3
  string (user_type), job 4 string (user_type), pipeline_job 5 logs.PipelineJobLogQuery (user_type), job_datum 6
  logs.JobDatumLogQuery (user_type), pipeline_datum 7 logs.PipelineDatumLogQuery (user_type)
message logs.PipelineLogQuery: project 1 string, pipeline 2 string
message logs.PipelineJobLogQuery: pipeline 1 logs.PipelineLogQuery, job 2 string
message logs.JobDatumLogQuery: job 1 string, datum 2 string
message logs.PipelineDatumLogQuery: pipeline 1 logs.PipelineLogQuery, datum 2 string
message logs.LogFilter: time_range 1 logs.TimeRangeLogFilter, limit 2 uint64, regex 3 logs.RegexLogFilter, level 4
  enum logs.LogLevel, user_logs_only 5 bool
message logs.TimeRangeLogFilter: from 1 google.protobuf.Timestamp, until 2 google.protobuf.Timestamp, offset 3 uint64
message logs.RegexLogFilter: pattern 1 string, negate 2 bool
message logs.GetLogsRequest: query 1 logs.LogQuery, filter 2 logs.LogFilter, tail 3 bool, want_paging_hint 4 bool
message logs.GetLogsResponse: paging_hint 1 logs.PagingHint (response_type), log 2 logs.LogMessage (response_type)
message logs.PagingHint: older 1 logs.GetLogsRequest, newer 2 logs.GetLogsRequest
message logs.VerbatimLogMessage: line 1 bytes, timestamp 2 google.protobuf.Timestamp
message logs.LogMessage: verbatim 1 logs.VerbatimLogMessage, object 2 google.protobuf.Struct, native_timestamp 3
  google.protobuf.Timestamp, pps_log_message 4 pps_v2.LogMessage
message metadata.ClusterPicker
message metadata.Edit: project 1 pfs_v2.ProjectPicker (target), commit 2 pfs_v2.CommitPicker (target), branch 3
  pfs_v2.BranchPicker (target), repo 4 pfs_v2.RepoPicker (target), cluster 5 metadata.ClusterPicker (target), pipeline
  6 pps_v2.PipelinePicker (target), replace 10 metadata.Edit.Replace (op), add_key 11 metadata.Edit.AddKey (op),
  edit_key 12 metadata.Edit.EditKey (op), delete_key 13 metadata.Edit.DeleteKey (op)
message metadata.Edit.Replace: replacement 1 map
message metadata.Edit.AddKey: key 1 string, value 2 string
message metadata.Edit.EditKey: key 1 string, value 2 string
message metadata.Edit.DeleteKey: key 1 string
message metadata.EditMetadataRequest: edits 1 *metadata.Edit
message metadata.EditMetadataResponse
extend transaction_v2.TransactionRequest: - create_pipeline, create_pipeline_v2 11 pps_v2.CreatePipelineTransaction
enum pfs_v2.RepoPage.Ordering: PROJECT_REPO 0
enum pfs_v2.GetFileSetRequest.FileSetType: TOTAL 0, DIFF 1
enum pps_v2.PipelinePage.Ordering: RECENT 0
enum logs.LogLevel: LOG_LEVEL_UNSET 0, LOG_LEVEL_DEBUG 1, LOG_LEVEL_INFO 2, LOG_LEVEL_ERROR 3

rpc pfs_v2.API/DeleteRepo: pfs_v2.DeleteRepoRequest -> pfs_v2.DeleteRepoResponse
rpc pfs_v2.API/SquashCommit: pfs_v2.SquashCommitRequest -> pfs_v2.SquashCommitResponse
rpc pfs_v2.API/DropCommit: pfs_v2.DropCommitRequest -> pfs_v2.DropCommitResponse
rpc pfs_v2.API/WalkCommitProvenance: pfs_v2.WalkCommitProvenanceRequest -> stream pfs_v2.CommitInfo
rpc pfs_v2.API/WalkCommitSubvenance: pfs_v2.WalkCommitSubvenanceRequest -> stream pfs_v2.CommitInfo
rpc pfs_v2.API/WalkBranchProvenance: pfs_v2.WalkBranchProvenanceRequest -> stream pfs_v2.BranchInfo
rpc pfs_v2.API/WalkBranchSubvenance: pfs_v2.WalkBranchSubvenanceRequest -> stream pfs_v2.BranchInfo
rpc pfs_v2.API/InspectProjectV2: pfs_v2.InspectProjectV2Request -> pfs_v2.InspectProjectV2Response
rpc pfs_v2.API/ReposSummary: pfs_v2.ReposSummaryRequest -> pfs_v2.ReposSummaryResponse
rpc pfs_v2.API/ForgetCommit: pfs_v2.ForgetCommitRequest -> pfs_v2.ForgetCommitResponse
- rpc pfs_v2.API/RunLoadTest
- rpc pfs_v2.API/RunLoadTestDefault
rpc admin_v2.API/RestartPachyderm: admin_v2.RestartPachydermRequest -> admin_v2.RestartPachydermResponse
rpc pps_v2.API/CreateDatum: stream pps_v2.CreateDatumRequest -> stream pps_v2.DatumInfo
rpc pps_v2.API/RerunPipeline: pps_v2.RerunPipelineRequest -> google.protobuf.Empty
rpc pps_v2.API/CreatePipelineV2: pps_v2.CreatePipelineV2Request -> pps_v2.CreatePipelineV2Response
rpc pps_v2.API/CheckStatus: pps_v2.CheckStatusRequest -> stream pps_v2.CheckStatusResponse
rpc pps_v2.API/GetClusterDefaults: pps_v2.GetClusterDefaultsRequest -> pps_v2.GetClusterDefaultsResponse
rpc pps_v2.API/SetClusterDefaults: pps_v2.SetClusterDefaultsRequest -> pps_v2.SetClusterDefaultsResponse
rpc pps_v2.API/GetProjectDefaults: pps_v2.GetProjectDefaultsRequest -> pps_v2.GetProjectDefaultsResponse
rpc pps_v2.API/SetProjectDefaults: pps_v2.SetProjectDefaultsRequest -> pps_v2.SetProjectDefaultsResponse
rpc pps_v2.API/PipelinesSummary: pps_v2.PipelinesSummaryRequest -> pps_v2.PipelinesSummaryResponse
rpc debug_v2.Debug/Trace: debug_v2.TraceRequest -> stream debug_v2.TraceChunk
rpc debug_v2.Debug/RunPFSLoadTest: debug_v2.RunPFSLoadTestRequest -> debug_v2.RunPFSLoadTestResponse
rpc debug_v2.Debug/RunPFSLoadTestDefault: google.protobuf.Empty -> debug_v2.RunPFSLoadTestResponse
rpc logs.API/GetLogs: logs.GetLogsRequest -> stream logs.GetLogsResponse
rpc metadata.API/EditMetadata: metadata.EditMetadataRequest -> metadata.EditMetadataResponse
rpc pjs.API/CreateJob: pjs.CreateJobRequest -> pjs.CreateJobResponse
rpc pjs.API/CancelJob: pjs.CancelJobRequest -> pjs.CancelJobResponse
rpc pjs.API/DeleteJob: pjs.DeleteJobRequest -> pjs.DeleteJobResponse
rpc pjs.API/ListJob: pjs.ListJobRequest -> stream pjs.ListJobResponse
rpc pjs.API/WalkJob: pjs.WalkJobRequest -> stream pjs.ListJobResponse
rpc pjs.API/InspectJob: pjs.InspectJobRequest -> pjs.InspectJobResponse
rpc pjs.API/ProcessQueue: stream pjs.ProcessQueueRequest -> stream pjs.ProcessQueueResponse
rpc pjs.API/ListQueue: pjs.ListQueueRequest -> stream pjs.ListQueueResponse
rpc pjs.API/InspectQueue: pjs.InspectQueueRequest -> pjs.InspectQueueResponse
rpc pjs.API/AwaitJob: pjs.AwaitJobRequest -> pjs.AwaitJobResponse
rpc snapshot.API/CreateSnapshot: snapshot.CreateSnapshotRequest -> snapshot.CreateSnapshotResponse
rpc snapshot.API/DeleteSnapshot: snapshot.DeleteSnapshotRequest -> snapshot.DeleteSnapshotResponse
rpc snapshot.API/InspectSnapshot: snapshot.InspectSnapshotRequest -> snapshot.InspectSnapshotResponse
rpc snapshot.API/ListSnapshot: snapshot.ListSnapshotRequest -> stream snapshot.ListSnapshotResponse
rpc storage.Fileset/CreateFileset: stream storage.CreateFilesetRequest -> storage.CreateFilesetResponse
rpc storage.Fileset/ReadFileset: storage.ReadFilesetRequest -> stream storage.ReadFilesetResponse
rpc storage.Fileset/ReadFilesetCDR: storage.ReadFilesetRequest -> stream storage.ReadFilesetCDRResponse
rpc storage.Fileset/RenewFileset: storage.RenewFilesetRequest -> google.protobuf.Empty
rpc storage.Fileset/ComposeFileset: storage.ComposeFilesetRequest -> storage.ComposeFilesetResponse
rpc storage.Fileset/ShardFileset: storage.ShardFilesetRequest -> storage.ShardFilesetResponse
"""
