/* The offsets and sizes in crates/pipulate-process/src/os/darwin.rs and pcblist.rs, compared with Apple's headers. */
#include <stddef.h>
#include <sys/types.h>
#include <sys/sysctl.h>
#include <libproc.h>
#include <sys/proc_info.h>
#include <sys/event.h>
#include <sys/fcntl.h>
#include <sys/proc.h>

#define SAME(ours, theirs) _Static_assert((ours) == (theirs), #theirs);
#define AT(ours, type, field) SAME(ours, offsetof(struct type, field))

SAME(136, sizeof(struct proc_bsdinfo))
AT(0, proc_bsdinfo, pbi_flags)
AT(4, proc_bsdinfo, pbi_status)
AT(8, proc_bsdinfo, pbi_xstatus)
AT(16, proc_bsdinfo, pbi_ppid)
AT(20, proc_bsdinfo, pbi_uid)
AT(48, proc_bsdinfo, pbi_comm)
AT(100, proc_bsdinfo, pbi_pgid)
AT(108, proc_bsdinfo, e_tdev)
AT(112, proc_bsdinfo, e_tpgid)
AT(120, proc_bsdinfo, pbi_start_tvsec)
AT(128, proc_bsdinfo, pbi_start_tvusec)

SAME(64, sizeof(struct proc_bsdshortinfo))
AT(4, proc_bsdshortinfo, pbsi_ppid)
AT(8, proc_bsdshortinfo, pbsi_pgid)
AT(12, proc_bsdshortinfo, pbsi_status)
AT(16, proc_bsdshortinfo, pbsi_comm)
AT(32, proc_bsdshortinfo, pbsi_flags)
AT(36, proc_bsdshortinfo, pbsi_uid)

SAME(96, sizeof(struct proc_taskinfo))
AT(8, proc_taskinfo, pti_resident_size)
AT(16, proc_taskinfo, pti_total_user)
AT(24, proc_taskinfo, pti_total_system)
AT(84, proc_taskinfo, pti_threadnum)
AT(88, proc_taskinfo, pti_numrunning)

SAME(1200, sizeof(struct vnode_fdinfowithpath))
AT(0, vnode_fdinfowithpath, pfi.fi_openflags)
AT(24, vnode_fdinfowithpath, pvip)
SAME(1176, sizeof(struct vnode_info_path))
AT(0, vnode_info_path, vip_vi.vi_stat.vst_dev)
AT(4, vnode_info_path, vip_vi.vi_stat.vst_mode)
AT(8, vnode_info_path, vip_vi.vi_stat.vst_ino)
AT(152, vnode_info_path, vip_path)
SAME(1272, sizeof(struct proc_regionwithpathinfo))
AT(96, proc_regionwithpathinfo, prp_vip)
AT(0, proc_vnodepathinfo, pvi_cdir)
SAME(792, sizeof(struct socket_fdinfo))
AT(160, socket_fdinfo, psi.soi_so)

SAME(648, sizeof(struct kinfo_proc))
AT(232, kinfo_proc, kp_proc.p_sigignore)

SAME(1, PROX_FDTYPE_VNODE)
SAME(2, PROX_FDTYPE_SOCKET)
SAME(2, PROC_PIDFDVNODEPATHINFO)
SAME(3, PROC_PIDFDSOCKETINFO)
SAME(8, PROC_PIDREGIONPATHINFO)
SAME(1, PROC_ALL_PIDS)
SAME(6, PROC_PPID_ONLY)
SAME(4, PROC_FLAG_INEXIT)
SAME(0x2000, PROC_FLAG_PSUGID)
SAME(5, SZOMB)
SAME(2, FWRITE)
SAME(0x04000000, NOTE_EXITSTATUS)
SAME(32, sizeof(audit_token_t))
_Static_assert(_Generic(&proc_signal_with_audittoken, int (*)(audit_token_t *, int): 1, default: 0), "its signature");
